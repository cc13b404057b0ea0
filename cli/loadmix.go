package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/taremesh/tare/load"
)

// The most kinds of request in a mix, and the longest line.
const (
	mostKinds   = 1000
	longestLine = 1 << 20
)

// readMix reads kinds of request from a file; the files of bodies are found
// from its folder.
func readMix(file string) ([]load.Request, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	requests, err := parseMix(in, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		return os.ReadFile(name)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return requests, nil
}

// parseMix reads kinds of request: a line with weight, method and path for each,
// and below it, indented, its headers, "@file" for its body or "= text".
//
//	3 GET /items/{random:1..100}
//	1 POST /orders
//	    Content-Type: application/json
//	    @order.json
func parseMix(in io.Reader, read func(name string) ([]byte, error)) ([]load.Request, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestLine)
	var out []load.Request
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		text := strings.TrimSpace(line)
		var err error
		switch {
		case text == "" || text[0] == '#':
		case len(out) == mostKinds && text == line:
			err = fmt.Errorf("more than %d kinds of request", mostKinds)
		case line[0] != ' ' && line[0] != '\t':
			var q load.Request
			if q, err = parseKind(text); err == nil {
				out = append(out, q)
			}
		case len(out) == 0:
			err = errors.New("it is indented, and there is no request above it")
		default:
			err = detail(&out[len(out)-1], text, read)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("a line has more than %d bytes", longestLine)
	case err != nil:
		return nil, err
	case len(out) == 0:
		return nil, errors.New("it names no request; write lines such as: 3 GET /items")
	}
	return out, nil
}

// parseKind reads "3 GET /items".
func parseKind(text string) (load.Request, error) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return load.Request{}, fmt.Errorf("%q is not weight, method and path, as in: 3 GET /items", text)
	}
	weight, err := strconv.ParseFloat(words[0], 64)
	if err != nil || !(weight > 0 && weight <= 1e9) {
		return load.Request{}, fmt.Errorf("the weight %q is no number above 0", words[0])
	}
	return load.Request{Weight: weight, Method: words[1], Path: words[2]}, nil
}

// detail reads one indented line of a request.
func detail(q *load.Request, text string, read func(string) ([]byte, error)) error {
	if text[0] == '@' || text[0] == '=' {
		if q.Content != nil {
			return errors.New("the request has a body already")
		}
		if text[0] == '=' {
			q.Content = []byte(strings.TrimSpace(text[1:]))
			return nil
		}
		content, err := read(strings.TrimSpace(text[1:]))
		q.Content = content
		return err
	}
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return fmt.Errorf("%q is neither a header (Name: value) nor a body (@file, or = text)", text)
	}
	q.Header = append(q.Header, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
	return nil
}
