package stint

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"stint.example/stint/internal/brokertest"
)

// The verifier by status lists beside the shared scenes: what it waits for, whom it tells, and what it can be made with.

const (
	listName    = "list-1"
	listPath    = "/status/" + listName
	ownResource = "https://mcp.example.org/mcp"
)

type issuedScene struct {
	issuer   *brokertest.Issuer
	clock    *brokertest.ManualClock
	key      brokertest.Key
	verifier *Verifier
}

func issued(t *testing.T, isTLS bool) *issuedScene {
	t.Helper()
	issuer, key := brokertest.NewSigner(t, isTLS)
	scene := &issuedScene{issuer: issuer, clock: brokertest.NewManualClock(time.Unix(1_800_000_000, 0)), key: key}
	scene.serve(t)
	return scene
}

func (scene *issuedScene) revocation() StatusListRevocation {
	return StatusListRevocation{Issuer: brokertest.IssuerURL, TrustDomain: "example.org", URL: scene.issuer.URL}
}

func (scene *issuedScene) hear(t *testing.T, revocation Revocation) *Verifier {
	t.Helper()
	verifier, err := NewVerifier(Options{Audiences: []string{ownResource}, Revocation: revocation, Clock: scene.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = verifier.Close() })
	scene.verifier = verifier
	return verifier
}

// byLists is with a verifier that is ready.
func byLists(t *testing.T) *issuedScene {
	t.Helper()
	scene := issued(t, false)
	if err := scene.hear(t, scene.revocation()).Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	return scene
}

// serve puts a list as it is now, of which these tokens are invalid.
func (scene *issuedScene) serve(t *testing.T, invalid ...int) {
	t.Helper()
	scene.issuer.ServeText(listPath, scene.key.List(t, listName, scene.clock.Wall(), invalid...))
}

func (scene *issuedScene) token(t *testing.T, index int, changes map[string]any) string {
	t.Helper()
	claims := brokertest.StepClaims(ownResource, scene.clock.Wall(), map[string]any{"status": brokertest.InList(listName, index)})
	for name, value := range changes {
		claims[name] = value
	}
	return scene.key.Sign(t, "JWT", claims)
}

func (scene *issuedScene) code(t *testing.T, index int) Code {
	t.Helper()
	_, err := scene.verifier.Verify(scene.token(t, index, nil), Presented{})
	return codeOf(err)
}

func (scene *issuedScene) verified(t *testing.T, index int, changes map[string]any) *VerifiedStep {
	t.Helper()
	step, err := scene.verifier.Verify(scene.token(t, index, changes), Presented{})
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// settled returns once nothing is under way, and what is next waits for the clock.
func (scene *issuedScene) settled() {
	source := scene.verifier.source.(*statusListSource)
	source.lists.mutex.Lock()
	all := []*refresh{source.keys.refresh}
	for _, list := range source.lists.byName {
		all = append(all, list.refresh)
	}
	source.lists.mutex.Unlock()
	for _, one := range all {
		one.mutex.Lock()
		finished := one.finished
		one.mutex.Unlock()
		if finished != nil {
			<-finished
		}
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func TestACallEndsWithinARefreshOfItsListAndSoDoesTheNext(t *testing.T) {
	scene := byLists(t)
	open, cancel, err := scene.verifier.WhileOpen(context.Background(), scene.verified(t, 7, nil), &Call{ToolUse: readSearch})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	scene.serve(t, 7)
	scene.clock.Advance(5_001 * time.Millisecond)
	come(t, open.Done())
	want := map[string]string{"reason": "unspecified"}
	if ended := EndOf(open); ended == nil || ended.Code != Revoked || !reflect.DeepEqual(ended.Metadata, want) {
		t.Errorf("ended by %v", ended)
	}
	if one, other := scene.code(t, 7), scene.code(t, 8); one != Revoked || other != "" {
		t.Errorf("said %s and %s", one, other)
	}
}

func TestACallByListsEndsWithItsToken(t *testing.T) {
	scene := byLists(t)
	began := scene.clock.Wall()
	step := scene.verified(t, 1, map[string]any{"exp": began.Unix() + 2})
	open, cancel, err := scene.verifier.WhileOpen(context.Background(), step, &Call{ToolUse: readSearch})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	for open.Err() == nil {
		scene.clock.Advance(100 * time.Millisecond)
		time.Sleep(time.Millisecond)
	}
	if ended := EndOf(open); ended == nil || ended.Code != Expired {
		t.Errorf("ended by %v", ended)
	}
	if passed := scene.clock.Wall().Sub(began); passed < 7*time.Second {
		t.Errorf("ended after %s", passed)
	}
}

func TestWhoListensNoMoreIsNotToldOfAList(t *testing.T) {
	scene := byLists(t)
	step := scene.verified(t, 7, nil)
	stop := scene.verifier.OnClosed(step, func(*Refusal) { t.Error("told who listens no more") })
	stop()
	stop()
	scene.serve(t, 7)
	scene.clock.Advance(5_001 * time.Millisecond)
	if code := scene.code(t, 7); code != Revoked {
		t.Errorf("said %s", code)
	}
	told := make(chan *Refusal, 1)
	scene.verifier.OnClosed(step, func(refused *Refusal) { told <- refused })
	if refused := come(t, told); refused.Code != Revoked {
		t.Errorf("told %v", refused)
	}
}

func TestABrokerThatHangsIsWaitedForThreeSecondsAndNoLongerWhereAListIsKnown(t *testing.T) {
	scene := byLists(t)
	scene.verified(t, 1, nil)
	scene.issuer.Serve(listPath, func(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() })
	scene.clock.Advance(5_001 * time.Millisecond)
	until(t, "the list is not asked for", func() bool { return scene.issuer.Asked(listPath) == 2 })
	waiting := make(chan Code, 1)
	go func() { waiting <- scene.code(t, 1) }()
	time.Sleep(20 * time.Millisecond)
	if len(waiting) > 0 {
		t.Error("did not wait")
	}
	scene.clock.Advance(3_001 * time.Millisecond)
	if code := come(t, waiting); code != "" {
		t.Errorf("said %s", code)
	}
	if last := scene.verifier.Status().LastError; last != listPath+" can't be had: it took too long" {
		t.Errorf("said %s", last)
	}
	scene.clock.Advance(1_001 * time.Millisecond)
	until(t, "the list is not asked for again", func() bool { return scene.issuer.Asked(listPath) == 3 })
	if code := scene.code(t, 1); code != "" {
		t.Errorf("said %s", code)
	}
}

func TestAListThatNobodyHasAskedAboutForAMinuteIsLetGo(t *testing.T) {
	for _, isWatched := range []bool{false, true} {
		t.Run(fmt.Sprintf("watched: %t", isWatched), func(t *testing.T) {
			scene := byLists(t)
			step := scene.verified(t, 1, nil)
			if isWatched {
				scene.verifier.OnClosed(step, func(*Refusal) {})
			}
			// The last is fetched when a minute is over.
			for fetched := 1; fetched <= 20; fetched++ {
				isKept := isWatched || fetched <= 13
				scene.settled()
				scene.serve(t)
				scene.clock.Advance(5 * time.Second)
				if isKept {
					until(t, "the list is not asked for", func() bool { return scene.issuer.Asked(listPath) > fetched })
				}
			}
			want := 14
			if isWatched {
				want = 21
			}
			scene.settled()
			if asked := scene.issuer.Asked(listPath); asked != want {
				t.Errorf("asked for %d times, not %d", asked, want)
			}
		})
	}
}

func TestOfMoreListsThanAreKeptThoseGoThatWereBegunFirst(t *testing.T) {
	scene := byLists(t)
	verified := func(number int) string {
		name := fmt.Sprintf("list-%d", number)
		scene.issuer.ServeText("/status/"+name, scene.key.List(t, name, scene.clock.Wall()))
		if _, err := scene.verifier.Verify(scene.token(t, 1, map[string]any{"status": brokertest.InList(name, 1)}), Presented{}); err != nil {
			t.Fatal(err)
		}
		return "/status/" + name
	}
	for number := range listsMax + 1 {
		verified(number)
	}
	for number, times := range map[int]int{listsMax: 1, 0: 2} {
		if path := verified(number); scene.issuer.Asked(path) != times {
			t.Errorf("%s was asked for %d times, not %d", path, scene.issuer.Asked(path), times)
		}
	}
}

func TestAStepWhoseListWasLetGoCanBeJudgedOnceItHasCome(t *testing.T) {
	scene := byLists(t)
	step := scene.verified(t, 1, nil)
	scene.clock.Advance(60_001 * time.Millisecond)
	scene.serve(t)
	if err := scene.verifier.Authorize(step, readSearch); codeOf(err).Fault() != OfVerifier {
		t.Errorf("said %v", err)
	}
	until(t, "the list does not come", func() bool { return scene.verifier.Authorize(step, readSearch) == nil })
}

func TestOnceItIsClosedEverythingIsRefusedAndNothingIsFetchedAnyMore(t *testing.T) {
	scene := byLists(t)
	step := scene.verified(t, 1, nil)
	if err := scene.verifier.Close(); err != nil {
		t.Fatal(err)
	}
	scene.clock.Advance(5_001 * time.Millisecond)
	if code := scene.code(t, 1); code != NotReady {
		t.Errorf("said %s", code)
	}
	scene.verifier.OnClosed(step, func(*Refusal) {})
	if status := scene.verifier.Status(); status.Refusal != NotReady || scene.issuer.Asked(listPath) != 1 {
		t.Errorf("says %v, and has asked %d times", status, scene.issuer.Asked(listPath))
	}
}

func TestItWaitsToBeReadyForTheKeysAndSaysWhatFor(t *testing.T) {
	scene := issued(t, false)
	scene.issuer.ServeText(bundlePath, "no bundle")
	verifier := scene.hear(t, scene.revocation())
	until(t, "nothing failed", func() bool { return verifier.Status().LastError != "" })
	over, cancel := context.WithCancel(context.Background())
	cancel()
	want := "the keys of the broker at " + scene.issuer.URL + " (/spiffe-bundle.json was answered with no keys)"
	if err := verifier.Ready(over); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("said %v", err)
	}
}

func TestWhatTakesTheWordOfTheBrokerIsRefusedByLists(t *testing.T) {
	scene := byLists(t)
	if _, err := scene.verifier.Check(context.Background(), scene.verified(t, 1, nil), readSearch); codeOf(err) != PolicyDenied {
		t.Errorf("said %v", err)
	}
}

func TestSettingsOfListsThatCanNotBeAreRefusedByTheirField(t *testing.T) {
	good := StatusListRevocation{Issuer: brokertest.IssuerURL, TrustDomain: "example.org"}
	with := func(change func(*StatusListRevocation)) StatusListRevocation {
		changed := good
		change(&changed)
		return changed
	}
	for field, options := range map[string][]Options{
		"endpoint":              {{Revocation: good, Endpoint: "/run/stint.sock"}},
		"grants_from":           {{Revocation: good, GrantsFrom: []string{"example.com"}}},
		"max_staleness.default": {{Revocation: good, MaxStaleness: StalenessBounds{OtherActions: 11 * time.Second}}},
		"revocation.issuer":     {{Revocation: with(func(one *StatusListRevocation) { one.Issuer += "/" })}},
		"revocation.url": {
			{Revocation: with(func(one *StatusListRevocation) { one.Issuer = "http://stint.example.org" })},
			{Revocation: with(func(one *StatusListRevocation) { one.URL = "http://stint.example.org" })},
			{Revocation: with(func(one *StatusListRevocation) { one.URL = "https://stint.example.org/?x" })},
		},
		"revocation.trust_domain": {{Revocation: with(func(one *StatusListRevocation) { one.TrustDomain = "Example" })}},
	} {
		for _, one := range options {
			one.Audiences = []string{ownResource}
			if _, err := NewVerifier(one); fieldOf(err) != field {
				t.Errorf("%s: said %v", field, err)
			}
		}
	}
}

func TestAServerIsBelievedByTheRootsThatAreGivenAndByNoOthers(t *testing.T) {
	scene := issued(t, true)
	revocation := scene.revocation()
	revocation.Roots = x509.NewCertPool()
	revocation.Roots.AddCert(scene.issuer.Server.Certificate())
	if err := scene.hear(t, revocation).Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	scene.verified(t, 1, nil)
	wary := scene.hear(t, scene.revocation())
	until(t, "nothing failed", func() bool { return wary.Status().LastError != "" })
	if last := wary.Status().LastError; last != bundlePath+" can't be had: nobody who is trusted vouches for the server" {
		t.Errorf("said %s", last)
	}
	if code := scene.code(t, 1); code != NotReady || scene.issuer.Asked(listPath) != 1 {
		t.Errorf("said %s, and asked %d times", code, scene.issuer.Asked(listPath))
	}
}

func TestAnAnswerThatBreaksOffTellsNothing(t *testing.T) {
	scene := byLists(t)
	scene.issuer.Serve(listPath, func(writer http.ResponseWriter, _ *http.Request) {
		writer.Header().Set("Content-Length", "100000")
		_, _ = writer.Write([]byte("x"))
	})
	if code := scene.code(t, 1); code != NotReady || scene.verifier.Status().LastError != listPath+" broke off" {
		t.Errorf("said %s and %s", code, scene.verifier.Status().LastError)
	}
}
