package proxywasm

type queueName struct{ vm, name string }

// queue is a shared queue. The plugin that registered it last is told of each
// new item.
type queue struct {
	items [][]byte
	owner *Plugin
}

// register opens a queue, or makes it; what waits in it stays.
func (s *Shared) register(owner *Plugin, vm string, name []byte) (uint32, status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.names[queueName{vm, string(name)}]; ok {
		s.queues[id].owner = owner
		return id, statusOK
	}
	if len(s.queues) >= s.limits.Queues {
		return 0, statusInternalFailure
	}
	s.last++
	s.names[queueName{vm, string(name)}] = s.last
	s.queues[s.last] = &queue{owner: owner}
	return s.last, statusOK
}

func (s *Shared) resolve(vm, name string) (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.names[queueName{vm, name}]
	return id, ok
}

// enqueue adds a copy of an item, and returns the plugin to tell of it.
func (s *Shared) enqueue(id uint32, item []byte) (*Plugin, status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.queues[id]
	if !ok {
		return nil, statusNotFound
	}
	if len(q.items) >= s.limits.Items || s.queued+len(item) > s.limits.Bytes {
		return nil, statusInternalFailure
	}
	q.items = append(q.items, append([]byte(nil), item...))
	s.queued += len(item)
	return q.owner, statusOK
}

func (s *Shared) dequeue(id uint32) ([]byte, status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.queues[id]
	switch {
	case !ok:
		return nil, statusNotFound
	case len(q.items) == 0:
		return nil, statusEmpty
	}
	item := q.items[0]
	q.items[0] = nil
	q.items = q.items[1:]
	s.queued -= len(item)
	return item, statusOK
}

// forget makes queues of a closed plugin tell nobody.
func (s *Shared) forget(owner *Plugin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		if q.owner == owner {
			q.owner = nil
		}
	}
}
