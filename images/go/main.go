// SPDX-License-Identifier: Apache-2.0

// A Go program that uses every part of the runtime that asks the kernel for something: threads, futexes,
// timers, signals, files. Each check prints a line that is the same wherever it runs.
//
// usage: go-demo [CHECK]...   (all of them when none is named)
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type check struct {
	name string
	run  func() error
}

var checks = []check{
	{"race", race},
	{"pipeline", pipeline},
	{"preemption", preemption},
	{"timers", timers},
	{"ticker", ticker},
	{"signals", signals},
	{"files", files},
	{"pipes", pipes},
	{"memory", memory},
	{"panics", panics},
	{"threads", threads},
}

func main() {
	wanted := map[string]bool{}
	for _, name := range os.Args[1:] {
		wanted[name] = true
	}
	failed := false
	for _, c := range checks {
		if len(wanted) > 0 && !wanted[c.name] {
			continue
		}
		if err := c.run(); err != nil {
			fmt.Printf("%s: FAILED: %v\n", c.name, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// A thousand goroutines add to the same numbers: nothing is lost if locks and atomics hold.
func race() error {
	const goroutines, rounds = 1000, 1000
	var atomics atomic.Int64
	var mutex sync.Mutex
	var group sync.WaitGroup
	locked := 0
	start := make(chan struct{})
	for i := 0; i < goroutines; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			<-start
			for j := 0; j < rounds; j++ {
				atomics.Add(1)
				if j%10 == 0 {
					mutex.Lock()
					locked++
					mutex.Unlock()
				}
			}
		}()
	}
	close(start)
	group.Wait()
	fmt.Println("race:", atomics.Load(), locked)
	return nil
}

// Primes through a chain of goroutines, each a filter.
func pipeline() error {
	source := make(chan int)
	go func() {
		for i := 2; ; i++ {
			source <- i
		}
	}()
	numbers := source
	var primes []int
	for len(primes) < 200 {
		prime := <-numbers
		primes = append(primes, prime)
		filtered := make(chan int)
		go func(in <-chan int, out chan<- int) {
			for n := range in {
				if n%prime != 0 {
					out <- n
				}
			}
		}(numbers, filtered)
		numbers = filtered
	}
	fmt.Println("pipeline:", primes[0], primes[99], primes[199])
	return nil
}

// Goroutines that never call anything, on one processor: others run only if the runtime's signal interrupts them.
func preemption() error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	var group sync.WaitGroup
	for i := 0; i < 3; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for x := uint64(1); ; x++ {
				for y := 0; y < 1000; y++ {
					x = x*6364136223846793005 + 1442695040888963407
				}
				if x != 0 && stop.Load() {
					return
				}
			}
		}()
	}
	done := make(chan struct{})
	go func() { // no call in the loop at all
		sum := 0
		for i := 0; i < 300_000_000; i++ {
			sum += i ^ sum
		}
		if sum == 42 {
			panic("it cannot be")
		}
		close(done)
	}()
	turns := 0
	for deadline := time.Now().Add(100 * time.Millisecond); time.Now().Before(deadline); turns++ {
		runtime.Gosched()
	}
	stop.Store(true)
	group.Wait()
	<-done
	if turns == 0 {
		return errors.New("the main goroutine had no turn")
	}
	fmt.Println("preemption: all had their turns")
	return nil
}

// No timer fires early. Which of two late ones comes first is up to the scheduler.
func timers() error {
	start := time.Now()
	early := make(chan time.Duration, 50)
	var group sync.WaitGroup
	for i := 50; i > 0; i-- {
		delay := time.Duration(i) * time.Millisecond
		group.Add(1)
		time.AfterFunc(delay, func() {
			defer group.Done()
			if took := time.Since(start); took < delay {
				early <- took
			}
		})
	}
	group.Wait()
	if len(early) > 0 {
		return fmt.Errorf("%d fired early, one after %v", len(early), <-early)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	if took := time.Since(start); took < 70*time.Millisecond {
		return fmt.Errorf("only %v went by", took)
	}
	fmt.Println("timers:", ctx.Err())
	return nil
}

func ticker() error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	start := time.Now()
	for i := 0; i < 10; i++ {
		<-t.C
	}
	if took := time.Since(start); took < 45*time.Millisecond {
		return fmt.Errorf("ten ticks in %v", took)
	}
	fmt.Println("ticker: 10 ticks")
	return nil
}

func signals() error {
	arrived := make(chan os.Signal, 8)
	signal.Notify(arrived, syscall.SIGUSR1, syscall.SIGTERM)
	defer signal.Stop(arrived)
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGTERM} {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			return err
		}
		select {
		case got := <-arrived:
			if got != s {
				return fmt.Errorf("%v came instead of %v", got, s)
			}
		case <-time.After(5 * time.Second):
			return fmt.Errorf("%v never came", s)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		return err
	}
	<-ctx.Done()
	fmt.Println("signals: user defined signal 1, terminated, interrupt")
	return nil
}

func files() error {
	folder, err := os.MkdirTemp("", "go-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	text := []byte(strings.Repeat("a line of text\n", 10000))
	var group sync.WaitGroup
	errs := make(chan error, 20)
	for i := 0; i < 20; i++ {
		name := filepath.Join(folder, fmt.Sprintf("file%02d", i))
		group.Add(1)
		go func() {
			defer group.Done()
			if err := os.WriteFile(name, text, 0o600); err != nil {
				errs <- err
			} else if back, err := os.ReadFile(name); err != nil {
				errs <- err
			} else if !bytes.Equal(back, text) {
				errs <- errors.New(name + " reads otherwise than written")
			}
		}()
	}
	group.Wait()
	close(errs)
	for err := range errs {
		return err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	_, err = os.ReadFile(filepath.Join(folder, "nothing"))
	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("a missing file gives %v", err)
	}
	if _, err = os.ReadFile("/proc/self/stat"); err != nil {
		return err
	}
	fmt.Printf("files: %d, %x\n", len(entries), sha256.Sum256(text))
	return nil
}

// A pipe is read through the runtime's poller: epoll.
func pipes() error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	if err := reader.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		return err
	}
	if _, err := reader.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("an empty pipe gives %v", err)
	}
	if err := reader.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	go func() {
		for i := 0; i < 1000; i++ {
			fmt.Fprintf(writer, "%0999d\n", i)
		}
		writer.Close()
	}()
	all, err := io.ReadAll(reader)
	if err != nil {
		return err
	}
	fmt.Printf("pipes: %d, %x\n", len(all), sha256.Sum256(all))
	return nil
}

type node struct{ left, right *node }

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

func (n *node) count() int {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

// Garbage in four goroutines, collected meanwhile.
func memory() error {
	var total atomic.Int64
	var group sync.WaitGroup
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < 20; j++ {
				total.Add(int64(tree(12).count()))
			}
		}()
	}
	group.Wait()
	runtime.GC()
	fmt.Println("memory:", total.Load())
	return nil
}

// A nil pointer is SIGSEGV, and a division by zero SIGFPE, which the runtime makes panics.
func panics() error {
	catch := func(do func()) (what any) {
		defer func() { what = recover() }()
		do()
		return nil
	}
	var nothing *node
	zero := len(os.Args) - len(os.Args)
	fmt.Println("panics:", catch(func() { _ = nothing.left.left }), "/", catch(func() { _ = 1 / zero }))
	return nil
}

// Goroutines that keep a thread each.
func threads() error {
	var group sync.WaitGroup
	var ids sync.Map
	ready := make(chan struct{})
	for i := 0; i < 20; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			runtime.LockOSThread()
			<-ready
			ids.Store(syscall.Gettid(), true)
		}()
	}
	close(ready)
	group.Wait()
	count := 0
	ids.Range(func(any, any) bool { count++; return true })
	fmt.Println("threads:", count)
	return nil
}
