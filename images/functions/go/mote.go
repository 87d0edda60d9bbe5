package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// mote/guest.h and mote/function_wire.h have these.
const (
	moteSyscall    = 402
	moteCallServe  = 5
	functionNext   = 0
	functionBuffer = 0x10000
)

type Request struct {
	Method, Path string
	Header       [][2]string
	Body         []byte
}

type Answer struct {
	Status int
	Header [][2]string
	Body   []byte
}

type functionCall struct {
	operation, from, fromSize, to uint64
}

var taken [functionBuffer]byte

func next(given []byte) (int, syscall.Errno) {
	call := functionCall{operation: functionNext, to: uint64(uintptr(unsafe.Pointer(&taken[0])))}
	if len(given) > 0 {
		call.from = uint64(uintptr(unsafe.Pointer(&given[0])))
		call.fromSize = uint64(len(given))
	}
	size, _, errno := syscall.RawSyscall(moteSyscall, moteCallServe, uintptr(unsafe.Pointer(&call)), 0)
	return int(size), errno
}

func parse(bytesTaken []byte) *Request {
	strings := binary.LittleEndian.Uint32(bytesTaken[0:])
	count := binary.LittleEndian.Uint32(bytesTaken[4:])
	body := binary.LittleEndian.Uint32(bytesTaken[8:])
	parts := bytes.Split(bytesTaken[32:32+strings], []byte{0})
	request := &Request{Method: string(parts[0]), Path: string(parts[1]), Body: bytesTaken[32+strings : 32+strings+body]}
	for i := uint32(0); i < count; i++ {
		request.Header = append(request.Header, [2]string{string(parts[2+2*i]), string(parts[3+2*i])})
	}
	return request
}

func build(answer Answer) []byte {
	var strings bytes.Buffer
	for _, header := range answer.Header {
		strings.WriteString(header[0] + "\x00" + header[1] + "\x00")
	}
	head := make([]byte, 24, 24+strings.Len()+len(answer.Body))
	binary.LittleEndian.PutUint32(head[0:], uint32(strings.Len()))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(answer.Header)))
	binary.LittleEndian.PutUint32(head[8:], uint32(len(answer.Body)))
	binary.LittleEndian.PutUint32(head[12:], uint32(answer.Status))
	binary.LittleEndian.PutUint64(head[16:], uint64(len(answer.Body)))
	return append(append(head, strings.Bytes()...), answer.Body...)
}

// Serve answers requests. Answers must fit a buffer of 64 KiB.
func Serve(handler func(*Request) Answer) {
	var given []byte
	for {
		size, errno := next(given)
		if errno != 0 {
			fmt.Fprintln(os.Stderr, "cannot serve: start this program by `mote serve`:", errno)
			os.Exit(1)
		}
		given = build(handler(parse(taken[:size])))
	}
}
