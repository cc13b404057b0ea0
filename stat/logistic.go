package stat

import "math"

// logistic is the chance 1/(1+exp(−(a+b·x))) of an outcome at x.
type logistic struct{ a, b float64 }

func (l logistic) at(x float64) float64 { return 1 / (1 + math.Exp(-(l.a + l.b*x))) }

const (
	logisticSteps = 200
	logisticEnd   = 1e-10 // change of the parameters at which the fit ends
)

// fitLogistic fits outcomes y (0 or 1, or shares) at x, of which there were w,
// by Firth's penalised likelihood ("Bias reduction of maximum likelihood
// estimates", Biometrika 80, 1993): it is finite also where x parts the outcomes
// cleanly. x should be of a size about 1.
func fitLogistic(x, y, w []float64) logistic {
	var l logistic
	best := l.penalised(x, y, w)
	for range logisticSteps {
		da, db := l.step(x, y, w)
		next, likelihood := l, 0.0
		for half := 1.0; half > 1e-6; half /= 2 {
			next = logistic{l.a + half*da, l.b + half*db}
			if likelihood = next.penalised(x, y, w); likelihood >= best {
				break
			}
		}
		if !(likelihood >= best) {
			return l
		}
		moved := math.Abs(next.a-l.a) + math.Abs(next.b-l.b)
		l, best = next, likelihood
		if moved < logisticEnd*(1+math.Abs(l.a)+math.Abs(l.b)) {
			return l
		}
	}
	return l
}

// information is the Fisher information of a and b.
func (l logistic) information(x, w []float64) (s0, s1, s2 float64) {
	for i := range x {
		p := l.at(x[i])
		v := w[i] * p * (1 - p)
		s0, s1, s2 = s0+v, s1+v*x[i], s2+v*x[i]*x[i]
	}
	return s0, s1, s2
}

// penalised is the log-likelihood and half the logarithm of the information's
// determinant.
func (l logistic) penalised(x, y, w []float64) float64 {
	var sum float64
	for i := range x {
		eta := l.a + l.b*x[i]
		// log p = −log(1+e^−η), log(1−p) = −log(1+e^η), neither overflowing.
		sum -= w[i] * (y[i]*softplus(-eta) + (1-y[i])*softplus(eta))
	}
	s0, s1, s2 := l.information(x, w)
	return sum + math.Log(s0*s2-s1*s1)/2
}

func softplus(z float64) float64 { return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) }

// step is Newton's with Firth's score and the Fisher information.
func (l logistic) step(x, y, w []float64) (da, db float64) {
	s0, s1, s2 := l.information(x, w)
	det := s0*s2 - s1*s1
	var u0, u1 float64
	for i := range x {
		p := l.at(x[i])
		// Leverage of all probes at x together.
		h := w[i] * p * (1 - p) * (s2 - 2*s1*x[i] + s0*x[i]*x[i]) / det
		u := w[i]*(y[i]-p) + h*(0.5-p)
		u0, u1 = u0+u, u1+u*x[i]
	}
	return (s2*u0 - s1*u1) / det, (s0*u1 - s1*u0) / det
}
