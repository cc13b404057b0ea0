package imagehub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxBody = 4 << 10

// decodeRequest reads a request's body; see decodeStrings.
func decodeRequest(w http.ResponseWriter, r *http.Request, fields map[string]*string) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return failure{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxBody)}
	case err != nil:
		return failure{http.StatusBadRequest, "the body could not be read"}
	}
	if err := decodeStrings(body, fields); err != nil {
		return failure{http.StatusBadRequest, err.Error()}
	}
	return nil
}

// decodeStrings reads one flat JSON object of strings into fields, strictly: a
// name that is unknown, twice there or in other letters, a value that is no
// string, anything after the object, and text that is not UTF-8 are errors.
// (encoding/json alone takes doubles and any letter case.)
func decodeStrings(text []byte, fields map[string]*string) error {
	if !utf8.Valid(text) {
		return errors.New("the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("the body is not a JSON object")
	}
	seen := make(map[string]bool, len(fields))
	for d.More() {
		if err := decodeField(d, fields, seen); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("the JSON is malformed")
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more than one JSON object")
	}
	return nil
}

func decodeField(d *json.Decoder, fields map[string]*string, seen map[string]bool) error {
	key, err := d.Token()
	if err != nil {
		return errors.New("the JSON is malformed")
	}
	name, _ := key.(string) // the decoder lets only strings be names
	into, known := fields[name]
	if !known {
		return fmt.Errorf("unknown field %q (known: %s)", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
	}
	if seen[name] {
		return fmt.Errorf("the field %q is there twice", name)
	}
	seen[name] = true
	value, err := d.Token()
	if err != nil {
		return errors.New("the JSON is malformed")
	}
	s, ok := value.(string)
	if !ok {
		return fmt.Errorf("the field %q is not a string", name)
	}
	*into = s
	return nil
}

// checkUsername holds names to what can go into a header, a path and a log.
func checkUsername(name string) error {
	const rule = "a username has 1 to 64 of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit"
	if len(name) < 1 || len(name) > 64 {
		return errors.New(rule)
	}
	for i, c := range []byte(name) {
		alphanumeric := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alphanumeric && (i == 0 || strings.IndexByte("._-", c) < 0) {
			return errors.New(rule)
		}
	}
	return nil
}

// checkPassword asks for 8 bytes; bcrypt takes no more than 72.
func checkPassword(password string) error {
	if len(password) < 8 || len(password) > 72 {
		return errors.New("a password has 8 to 72 bytes")
	}
	return nil
}

// checkImage holds image references to the characters that they are made of:
// name[:tag][@digest].
func checkImage(ref string) error {
	if len(ref) < 1 || len(ref) > 255 {
		return errors.New("the parameter image is missing or longer than 255 bytes")
	}
	for _, c := range []byte(ref) {
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && strings.IndexByte("._-/:@", c) < 0 {
			return errors.New("the parameter image is not an image reference")
		}
	}
	return nil
}
