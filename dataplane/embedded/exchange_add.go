package embedded

// AddHeader adds a field to the request, beside the copies that are there.
func (x *exchange) AddHeader(name string, value []byte) {
	if f, ok := x.field(name, value); ok {
		x.req.Add(f.Name, f.Value)
	}
}
