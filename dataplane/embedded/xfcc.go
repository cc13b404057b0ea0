package embedded

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/taremesh/tare/internal/http1"
)

// xfccMode is what becomes of the header x-forwarded-client-cert.
type xfccMode = hcmv3.HttpConnectionManager_ForwardClientCertDetails

// xfccDetails is what it says of the client beside its certificate's digest.
type xfccDetails struct{ uri, dns bool }

const xfccHeader = "x-forwarded-client-cert"

func decodeXFCC(m *hcmv3.HttpConnectionManager) (xfccMode, xfccDetails, error) {
	d := m.GetSetCurrentClientCertDetails()
	if d.GetCert() || d.GetChain() || d.GetSubject().GetValue() {
		return 0, xfccDetails{}, errors.New("field set_current_client_cert_details: uri and dns are supported")
	}
	mode := m.GetForwardClientCertDetails()
	if _, known := hcmv3.HttpConnectionManager_ForwardClientCertDetails_name[int32(mode)]; !known {
		return 0, xfccDetails{}, fmt.Errorf("field forward_client_cert_details: %d is not known", mode)
	}
	return mode, xfccDetails{d.GetUri(), d.GetDns()}, nil
}

// vouch makes the header say what is known of the client, as Envoy does: what a
// client says of itself counts for nothing unless it is to be forwarded.
func (c *conn) vouch() {
	mode, details := hcmv3.HttpConnectionManager_SANITIZE, xfccDetails{}
	if c.from != nil {
		mode, details = c.from.xfcc, c.from.details
	}
	if mode == hcmv3.HttpConnectionManager_ALWAYS_FORWARD_ONLY {
		c.assert("")
		return
	}
	if mode == hcmv3.HttpConnectionManager_SANITIZE || c.peer == nil || len(c.peer.PeerCertificates) == 0 {
		if _, there := c.req.Get(xfccHeader); there {
			c.req.Remove(xfccHeader)
		}
		return
	}
	switch mode {
	case hcmv3.HttpConnectionManager_FORWARD_ONLY:
		c.assert("")
	case hcmv3.HttpConnectionManager_APPEND_FORWARD:
		c.assert(c.known(details))
	default:
		c.req.Remove(xfccHeader)
		c.assert(c.known(details))
	}
}

// assert makes one field of all copies of the header and of what is said now.
func (c *conn) assert(now string) {
	var all []string
	for i := range c.req.Fields {
		if f := &c.req.Fields[i]; http1.Is(f.Name, xfccHeader) {
			all = append(all, string(f.Value))
		}
	}
	if now != "" {
		all = append(all, now)
	}
	if len(all) > 1 || now != "" {
		c.req.Remove(xfccHeader)
		c.req.Add([]byte(xfccHeader), []byte(strings.Join(all, ",")))
	}
}

// known is what the header says; it is made once for each connection.
func (c *conn) known(details xfccDetails) string {
	if c.xfcc != "" {
		return c.xfcc
	}
	var parts []string
	if own := c.own; own != nil && own.Leaf != nil {
		for _, u := range own.Leaf.URIs {
			parts = append(parts, "By="+u.String())
		}
	}
	leaf := c.peer.PeerCertificates[0]
	sum := sha256.Sum256(leaf.Raw)
	parts = append(parts, "Hash="+hex.EncodeToString(sum[:]))
	if details.uri {
		if len(leaf.URIs) == 0 {
			parts = append(parts, "URI=")
		}
		for _, u := range leaf.URIs {
			parts = append(parts, "URI="+u.String())
		}
	}
	if details.dns {
		for _, d := range leaf.DNSNames {
			parts = append(parts, "DNS="+d)
		}
	}
	c.xfcc = strings.Join(parts, ";")
	return c.xfcc
}

// shaken is what a handshake told of both sides.
type shaken struct {
	peer *tls.ConnectionState
	own  *tls.Certificate // that was shown; nil: none
}
