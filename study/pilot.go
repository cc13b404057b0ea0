package study

// Blocks of a pilot: enough for a standard deviation that is known within a
// factor of about two; in design pairs two groups of each cell.
const (
	pilotBlocks      = 6
	pilotPairsBlocks = 2 * groupBlocks
)

// Pilot plans a few blocks of the study that the plan was made of, with the
// plan's own rate and phases, without enforcement and without interference
// control. Its arrivals are others than the plan's.
func (p *Plan) Pilot(given Study) (*Plan, error) {
	if p.Study.Design.Name == Knee {
		return nil, p.Study.Errorf("$.design.name", "a pilot has a rate, and design %s looks for one", Knee)
	}
	d := &given.Design
	d.Blocks, d.ControlEvery, d.Stop = pilotBlocks, -1, StopFixed
	if d.Name == DesignPairs {
		d.Blocks = pilotPairsBlocks
	}
	d.Latency = p.Study.Design.Latency
	given.Load, given.Enforcement = p.Study.Load, nil
	return MakePlan(given, Options{Seed: p.Seed + 1})
}

// Stated reports whether the study file gives a margin for the endpoint, which
// is then a promise of the study, and no default.
func (s *Study) Stated(endpoint string) bool { return s.says("$.margin." + endpoint) }

// Looks are the numbers of blocks after which the run looks whether its
// intervals are narrow enough; none where it does all its blocks.
func (p *Plan) Looks() []int {
	var looks []int
	if p.Rule.Stop != StopWidth {
		return nil
	}
	for n := p.Rule.First; n <= len(p.Blocks); n += max(p.Rule.Every, 1) {
		looks = append(looks, n)
	}
	return looks
}

// Between is how many planned blocks two treatments stand in together.
func (p *Plan) Between(i, j int) int {
	n := 0
	for _, b := range p.Blocks {
		has := map[int]bool{}
		for _, arm := range p.Arms(b.Index) {
			has[arm] = true
		}
		if has[i] && has[j] {
			n++
		}
	}
	return n
}
