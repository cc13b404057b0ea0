package local

// OneAtATime makes Up start one topology after the other.
func (b *Testbed) OneAtATime() { b.abreast = 1 }

// ChoosePorts replaces how proxies get their ports.
func (b *Testbed) ChoosePorts(f func() (string, error)) { b.freeAddr = f }
