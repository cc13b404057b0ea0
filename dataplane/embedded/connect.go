package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"golang.org/x/net/http2"
)

// xconnect makes Go's HTTP/2 take extended CONNECT (RFC 8441), which is how
// WebSocket is asked for in it. It is read when the process starts, so that the
// plane gives it to every proxy; entrances that shall not take it do not say that
// they do.
const xconnect = "http2xconnect=1"

// canConnect reports whether this process takes extended CONNECT.
func canConnect() bool { return strings.Contains(os.Getenv("GODEBUG"), xconnect) }

// protocolField is where Go puts what an extended CONNECT asks for.
const protocolField = ":protocol"

// connect judges a CONNECT: 0 if it asks for WebSocket and may have it, else the
// status to answer with.
func (e *entrance) connect(r *http.Request) int {
	switch {
	case !e.connects:
		return http.StatusBadRequest
	case r.Header[protocolField] == nil:
		return http.StatusNotFound // no route is for it
	case !e.upgrades, !strings.EqualFold(r.Header.Get(protocolField), websocket):
		return http.StatusForbidden
	}
	return 0
}

// shakenKey is where a connection's handshake is found.
type shakenKey struct{}

// introduce keeps what is known of a connection that Go takes for clear text.
func introduce(ctx context.Context, c net.Conn) context.Context {
	if u, ok := c.(*unpromising); ok {
		return context.WithValue(ctx, shakenKey{}, u.who)
	}
	return ctx
}

// unpromising is a connection of HTTP/2 that does not say that it takes extended
// CONNECT: a client that heard so would ask for WebSocket in vain instead of by
// HTTP/1.1.
type unpromising struct {
	net.Conn
	who  shaken
	said bool // the first frame
}

func (e *entrance) unpromising(c net.Conn) net.Conn {
	return &unpromising{Conn: c, who: e.told(c)}
}

// Write takes the setting out of the first frame, which holds the settings and
// comes whole.
func (u *unpromising) Write(p []byte) (int, error) {
	if u.said {
		return u.Conn.Write(p)
	}
	u.said = true
	if _, err := u.Conn.Write(withoutConnect(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

const (
	frameHead   = 9 // bytes
	settingSize = 6
)

// withoutConnect returns the frames without that setting in the first.
func withoutConnect(p []byte) []byte {
	if len(p) < frameHead || http2.FrameType(p[3]) != http2.FrameSettings {
		return p
	}
	size := int(p[0])<<16 | int(p[1])<<8 | int(p[2])
	if size > len(p)-frameHead {
		return p
	}
	for at := frameHead; at+settingSize <= frameHead+size; at += settingSize {
		if http2.SettingID(binary.BigEndian.Uint16(p[at:])) != http2.SettingEnableConnectProtocol {
			continue
		}
		rest := append(bytes.Clone(p[:at]), p[at+settingSize:]...)
		size -= settingSize
		rest[0], rest[1], rest[2] = byte(size>>16), byte(size>>8), byte(size)
		return rest
	}
	return p
}

// ask makes the request one for WebSocket. It goes by a connection of its own,
// since those of the standard library refuse its name.
func (c *carried) ask(r *http.Request) (via func(*http.Request) (*http.Response, error), err error) {
	ctx, cancel := context.WithTimeout(c.life, connectTimeout+handshakeTime)
	defer cancel()
	c.conn.Release()
	c.placed = false
	c.opened()
	own, err := c.by.join(ctx, c.addr)
	if err != nil {
		return nil, err
	}
	c.own = own
	//lint:ignore SA1019 that of net/http takes no extended CONNECT
	cc, err := (&http2.Transport{DisableCompression: true}).NewClientConn(own)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.addr, err)
	}
	r.Method, r.Header[protocolField], r.ContentLength = http.MethodConnect, []string{websocket}, -1
	said, body := io.Pipe()
	r.Body, c.body, c.asks = said, body, true
	// Who waits for more to be said does not hear of the end otherwise.
	context.AfterFunc(c.life, func() { _ = body.CloseWithError(io.ErrUnexpectedEOF) })
	return cc.RoundTrip, nil
}

// appendSwitched writes the head of a response that both sides now speak
// WebSocket.
func appendSwitched(b []byte, h http.Header) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: "+websocket+"\r\n"...)
	return append(appendHeader(b, h), "\r\n"...)
}

// CloseWrite says that no more comes.
func (c *carried) CloseWrite() error {
	if !c.open {
		return errors.New("a request ends as its head says")
	}
	return c.body.Close()
}
