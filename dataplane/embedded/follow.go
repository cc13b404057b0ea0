package embedded

import "net/http"

// follow does with the request what its route says.
func (c *conn) follow() bool {
	w := c.way
	switch {
	case w == nil:
		return c.reply(http.StatusNotFound, "")
	case w.plain:
		return c.forward(w.cluster)
	case w.Redirect != nil:
		c.x.AddResponseHeader("location", w.Location(&c.x))
		return c.reply(w.Redirect.Status, "")
	case w.Direct != nil:
		if w.Direct.Locates() {
			c.x.AddResponseHeader("location", w.Location(&c.x))
		}
		return c.reply(w.Direct.Status, w.Direct.Body)
	}
	to := c.table.to(w, &c.x)
	if to == nil {
		return c.reply(w.NotFound, "")
	}
	w.Prepare(&c.x)
	if c.x.unfit {
		return c.reply(http.StatusInternalServerError, unfitHeader)
	}
	return c.strive(to)
}
