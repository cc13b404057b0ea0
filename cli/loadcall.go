package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/call"
)

// reflectionTimeout is how long a server may take to say what a method takes.
const reflectionTimeout = 10 * time.Second

// settleCall gives a gRPC call its message.
func (r *loadCommand) settleCall(q *load.Request) error {
	f := &r.flags
	if f.messages > 0 {
		q.Messages = f.messages
	}
	switch {
	case f.message == "" && f.descriptors != "":
		return errors.New("--descriptors is of --message: give the message as JSON")
	case f.message == "":
		return nil
	case r.target.Protocol != load.GRPC:
		return errors.New("--message is of gRPC: begin the URL with grpc:// or grpcs://")
	}
	text := []byte(f.message)
	if file, is := strings.CutPrefix(f.message, "@"); is {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return fmt.Errorf("--message: %w", err)
		}
	}
	method, err := r.method(q.Path)
	if err == nil {
		q.Body = 0
		q.Content, err = method.Message(text)
	}
	if err != nil {
		return fmt.Errorf("--message: %w", err)
	}
	return nil
}

// method finds what a call takes, in a file or of the server.
func (r *loadCommand) method(path string) (call.Method, error) {
	if r.flags.descriptors != "" {
		return call.FromFile(r.flags.descriptors, path)
	}
	ctx, cancel := context.WithTimeout(r.c.Context(), reflectionTimeout)
	defer cancel()
	return call.FromServer(ctx, r.target, path)
}
