//go:build browser

package cli_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/taremesh/tare/internal/chromium"
)

// These tests need the program chromium; make test gives them a group of their
// own, which says how to get it.

// browser is one window of a real Chromium, as a person uses it.
type browser struct {
	*chromium.Window
	t   *testing.T
	ctx context.Context
}

// patience bounds each step on a busy machine.
const patience = 30 * time.Second

func openBrowser(t *testing.T, width, height int64) *browser {
	t.Helper()
	w := chromium.Open(t, width, height)
	return &browser{Window: w, t: t, ctx: w.Context()}
}

func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.text("body"))
	}
}

// evaluate runs a script in the page and returns what it gives.
func evaluate[T any](b *browser, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.t.Errorf("evaluate %s: %v", script, err)
	}
	return v
}

// text is what a person reads of an element, "" when there is none.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return strings.TrimSpace(evaluate[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector)))
}

// see waits until a condition on the page holds.
func (b *browser) see(what, condition string) {
	b.t.Helper()
	eventually(b.t, patience, func() string {
		if evaluate[bool](b, condition) {
			return ""
		}
		return what + " is not to be seen in\n" + b.text("body")
	})
}

func (b *browser) number(selector string) int {
	b.t.Helper()
	n, err := strconv.Atoi(b.text(selector))
	if err != nil {
		b.t.Fatalf("%s: %v in\n%s", selector, err, b.text("body"))
	}
	return n
}

// fits holds a page to its window's width.
func (b *browser) fits(where string) {
	b.t.Helper()
	over := evaluate[int](b, "document.documentElement.scrollWidth - window.innerWidth")
	if over > 0 {
		b.t.Errorf("%s is %d pixels wider than its window", where, over)
	}
}

// press clicks a button and waits for the page that it leads to.
func (b *browser) press(what, selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.text("body"))
	}
	b.fits(what)
	b.Quiet(what)
}

// enter fills in the form of a page for signing up or logging in.
func (b *browser) enter(page, user, password string) {
	b.t.Helper()
	b.press("the way to "+page, "nav a[href='/"+page+"']")
	b.do("fill in "+page, chromedp.SendKeys(chromedp.CSS("#username"), user), chromedp.SendKeys(chromedp.CSS("#password"), password))
	b.press(page, "main form button")
}

// Image Hub in a real browser, through the proxy of each plane, and with the
// Rust filter in Envoy as in the talk: a person signs up, logs in, pulls until
// the limit bites, sees it lift, upgrades, pulls again.
func TestBrowserImageHub(t *testing.T) {
	for _, args := range []string{"--dataplane embedded", "--dataplane envoy", "--dataplane envoy --form wasm"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			up := startUp(t, strings.Fields(args)...)
			b := openBrowser(t, 360, 740)
			b.do("open the start page", chromedp.Navigate(up.web))
			b.fits("welcome")
			b.Quiet("welcome")
			b.enter("signup", "grace", "correct horse")
			b.press("log out", "nav form button")
			b.enter("login", "grace", "correct horse")
			if who := b.text(".who"); !strings.Contains(who, "grace") || !strings.Contains(who, "Personal") {
				t.Fatalf("logged in as %q", who)
			}
			b.cookiesAreHidden()
			b.seeItLift(b.pullUntilLimited())
			b.upgrade()
		})
	}
}

// pullUntilLimited pulls until the limit bites, after 10 pulls and one more for
// each 6 seconds that this took, and returns the seconds that the page says to
// wait.
func (b *browser) pullUntilLimited() (seconds int) {
	b.t.Helper()
	began := time.Now()
	for pulled := 0; ; {
		b.press("pull", "#pull")
		result := b.text("#result")
		switch {
		case strings.Contains(result, "Limit reached"):
			if pulled < 10 {
				b.t.Errorf("the limit bit after %d pulls, want 10", pulled)
			}
			if !strings.Contains(result, "Personal allows 10 pulls per minute") {
				b.t.Errorf("the limit says:\n%s", result)
			}
			return evaluate[int](b, "Number(document.querySelector('.seconds').textContent)")
		case strings.Contains(result, "The limit has lifted"):
			continue // on a busy machine, before it was seen
		case !strings.Contains(result, "digest verified"):
			b.t.Fatalf("pull %d gave:\n%s", pulled, result)
		}
		pulled++
		if left := b.number("#left"); pulled == 1 && left != 9 {
			b.t.Errorf("%d pulls left after the first, want 9", left)
		}
		if most := 10 + int(time.Since(began)/(6*time.Second)) + 1; pulled > most {
			b.t.Fatalf("%d pulls went through in %v", pulled, time.Since(began))
		}
	}
}

// seeItLift watches the seconds count down until the page says, without being
// loaded again, that the limit has lifted; then a pull goes through.
func (b *browser) seeItLift(first int) {
	b.t.Helper()
	if first < 1 || first > 6 {
		b.t.Errorf("%d seconds to wait, want 1 to 6", first)
	}
	loaded := evaluate[float64](b, "performance.timeOrigin")
	b.see("a lower number", fmt.Sprintf("Number(document.querySelector('.seconds').textContent) < %d || !document.querySelector('#lifted').hidden", first))
	b.see("that the limit has lifted", "!document.querySelector('#lifted').hidden && document.querySelector('#limited').hidden")
	if again := evaluate[float64](b, "performance.timeOrigin"); again != loaded {
		b.t.Error("the page was loaded again")
	}
	b.press("pull after the wait", "#pull")
	if got := b.text("#result"); !strings.Contains(got, "digest verified") {
		b.t.Errorf("a pull after the wait gave:\n%s", got)
	}
}

func (b *browser) upgrade() {
	b.t.Helper()
	b.press("upgrade", ".subscriptions form:first-of-type button")
	if got := b.text(".who"); !strings.Contains(got, "Team") {
		b.t.Fatalf("after the upgrade: %s", got)
	}
	for want := 99; want >= 97; want-- {
		b.press("pull as Team", "#pull")
		if left := b.number("#left"); left < want {
			b.t.Errorf("%d of 100 pulls left, want %d", left, want)
		}
	}
	if got := b.text(".left"); !strings.Contains(got, "of 100") {
		b.t.Errorf("the limit of Team is shown as %q", got)
	}
}

// cookiesAreHidden: no script of a page can read who is logged in.
func (b *browser) cookiesAreHidden() {
	b.t.Helper()
	if seen := evaluate[string](b, "document.cookie"); seen != "" {
		b.t.Errorf("scripts see the cookies %q", seen)
	}
}
