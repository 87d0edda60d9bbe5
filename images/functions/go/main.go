// @NAME@: a function. mote.go has what the program needs of Mote.
package main

import "fmt"

var answered int

func answer(request *Request) Answer {
	answered++ // always 1: each request begins with memory as it was at Serve
	return Answer{
		Status: 200,
		Header: [][2]string{{"Content-Type", "text/plain"}},
		Body:   []byte(fmt.Sprintf("Hello from @NAME@: %s %s, request number %d of this memory\n", request.Method, request.Path, answered)),
	}
}

func main() {
	// What takes its time goes here: it is done once, before the snapshot.
	Serve(answer)
}
