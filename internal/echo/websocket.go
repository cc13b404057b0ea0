package echo

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
)

// The key that RFC 6455 §1.3 appends, and the largest message that is echoed.
const (
	socketKey   = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	mostMessage = 16 << 20
)

// Frames of RFC 6455 §5.2.
const (
	closeFrame = 8
	pingFrame  = 9
	pongFrame  = 10
)

// answerWebSocket takes one handshake and sends every frame back.
func answerWebSocket(c net.Conn) error {
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + socketKey))
	if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n"); err != nil {
		return err
	}
	var frame []byte
	for {
		if frame, err = echoFrame(in, frame[:0]); err != nil {
			return err
		}
		if _, err := c.Write(frame); err != nil {
			return err
		}
		if frame[0]&15 == closeFrame {
			return nil
		}
	}
}

// echoFrame reads a masked frame and appends it unmasked.
func echoFrame(in *bufio.Reader, to []byte) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:2]); err != nil {
		return nil, err
	}
	first, size := head[0], uint64(head[1]&127)
	if head[1]&128 == 0 {
		return nil, errors.New("a client's frame is not masked")
	}
	if first&15 == pingFrame {
		first = first&^15 | pongFrame
	}
	to = append(to, first, byte(size))
	wide := map[uint64]int{126: 2, 127: 8}[size]
	if _, err := io.ReadFull(in, head[8-wide:]); err != nil {
		return nil, err
	}
	if wide > 0 {
		clear(head[:8-wide])
		size = binary.BigEndian.Uint64(head[:])
		to = append(to, head[8-wide:]...)
	}
	if size > mostMessage {
		return nil, errors.New("a message is larger than 16 MiB")
	}
	var mask [4]byte
	if _, err := io.ReadFull(in, mask[:]); err != nil {
		return nil, err
	}
	from := len(to)
	to = append(to, make([]byte, size)...)
	if _, err := io.ReadFull(in, to[from:]); err != nil {
		return nil, err
	}
	for i := range to[from:] {
		to[from+i] ^= mask[i&3]
	}
	return to, nil
}
