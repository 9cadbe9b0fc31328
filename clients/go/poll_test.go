package stint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"stint.example/stint/internal/brokertest"
)

// A verifier that polls security events, in front of a transmitter on this machine that sends what the test says.

const receiver = "spiffe://example.org/verifier/mcp"

var writeSearch = ToolUse{Tool: "search", Actions: []Action{Write}, Datatypes: []string{"internal"}}

type members = map[string]any

func streamWith(changes members) members {
	stream := members{
		"stream_id": "s1", "aud": receiver, "audiences": []string{ownResource, "https://mcp.example.org/more"},
		"delivery": members{"method": pollMethod}, "events_delivered": []string{sessionRevoked, credentialChange},
	}
	maps.Copy(stream, changes)
	return stream
}

// waitingPoll is one that waits for its answer.
type waitingPoll struct {
	Ack               []string `json:"ack"`
	MaxEvents         int      `json:"maxEvents"`
	ReturnImmediately bool     `json:"returnImmediately"`

	answer chan members
}

type pollScene struct {
	*issuedScene
	polls chan *waitingPoll
	// From which second on the verifier hears of every end.
	since int64
	jtis  int

	mutex  sync.Mutex
	listed []members
	stream members
	status string
	states []string
	svid   func() (*tls.Certificate, error)
}

func (scene *pollScene) with(change func()) {
	scene.mutex.Lock()
	defer scene.mutex.Unlock()
	change()
}

func polling(t *testing.T, listed ...members) *pollScene {
	t.Helper()
	scene := &pollScene{
		issuedScene: issued(t, true), polls: make(chan *waitingPoll, 9), listed: listed, stream: streamWith(nil), status: "enabled",
	}
	scene.issuer.Serve(streamPath, func(writer http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodGet {
			scene.say(writer, http.StatusOK, scene.streams())
			return
		}
		scene.with(func() { scene.listed = []members{streamWith(nil)} })
		scene.say(writer, http.StatusCreated, streamWith(nil))
	})
	scene.issuer.Serve(streamPath+"?stream_id=s1", func(writer http.ResponseWriter, request *http.Request) {
		if len(scene.streams()) == 0 {
			http.NotFound(writer, request)
			return
		}
		var stream members
		scene.with(func() { stream = scene.stream })
		scene.say(writer, http.StatusOK, stream)
	})
	scene.issuer.Serve(streamStatusPath+"?stream_id=s1", func(writer http.ResponseWriter, _ *http.Request) {
		var status string
		scene.with(func() { status = scene.status })
		scene.say(writer, http.StatusOK, members{"stream_id": "s1", "status": status})
	})
	scene.issuer.Serve(streamVerifyPath, func(writer http.ResponseWriter, request *http.Request) {
		var asked struct{ State string }
		_ = json.NewDecoder(request.Body).Decode(&asked)
		scene.with(func() { scene.states = append(scene.states, asked.State) })
		writer.WriteHeader(http.StatusNoContent)
	})
	scene.issuer.Serve(pollPath, scene.poll)
	own := scene.issuer.Server.TLS.Certificates[0]
	scene.svid = func() (*tls.Certificate, error) { return &own, nil }
	revocation := PollRevocation{
		Issuer: brokertest.IssuerURL, TrustDomain: "example.org", URL: scene.issuer.URL, Roots: x509.NewCertPool(),
		SVID: func(context.Context) (*tls.Certificate, error) {
			var svid func() (*tls.Certificate, error)
			scene.with(func() { svid = scene.svid })
			return svid()
		},
	}
	revocation.Roots.AddCert(scene.issuer.Server.Certificate())
	scene.hear(t, revocation)
	return scene
}

// hearing is with a verifier that began to hear in the second before a token is issued.
func hearing(t *testing.T) *pollScene {
	t.Helper()
	scene := polling(t, streamWith(nil))
	scene.since = scene.answer(scene.next(t), nil) + 1
	if err := scene.verifier.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	scene.clock.Advance(time.Second)
	return scene
}

func (scene *pollScene) streams() (listed []members) {
	scene.with(func() { listed = append([]members{}, scene.listed...) })
	return listed
}

func (scene *pollScene) say(writer http.ResponseWriter, status int, value any) {
	writer.Header().Set("Date", scene.clock.Wall().UTC().Format(http.TimeFormat))
	writer.WriteHeader(status)
	_ = json.NewEncoder(writer).Encode(value)
}

func (scene *pollScene) poll(writer http.ResponseWriter, request *http.Request) {
	if request.TLS == nil || len(scene.streams()) == 0 {
		http.NotFound(writer, request)
		return
	}
	waiting := &waitingPoll{answer: make(chan members, 1)}
	body, _ := io.ReadAll(request.Body)
	if json.Unmarshal(body, waiting) != nil {
		return
	}
	scene.polls <- waiting
	select {
	case answer := <-waiting.answer:
		scene.say(writer, http.StatusOK, answer)
	case <-request.Context().Done():
	}
}

// next is the next poll, once it has come; time passes until then.
func (scene *pollScene) next(t *testing.T) *waitingPoll {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); scene.clock.Advance(4 * time.Millisecond) {
		select {
		case waiting := <-scene.polls:
			return waiting
		case <-time.After(2 * time.Millisecond):
		}
	}
	t.Fatal("no poll came")
	return nil
}

// answer gives the second of its date.
func (scene *pollScene) answer(waiting *waitingPoll, more members, events ...[2]string) int64 {
	sets := members{}
	for _, event := range events {
		sets[event[0]] = event[1]
	}
	said := members{"sets": sets}
	maps.Copy(said, more)
	now := scene.clock.Wall().Unix()
	waiting.answer <- said
	return now
}

// event is a jti and its token.
func (scene *pollScene) event(t *testing.T, subject members, changes members) [2]string {
	t.Helper()
	scene.jtis++
	jti := fmt.Sprintf("e%d", scene.jtis)
	claims := members{
		"iss": brokertest.IssuerURL, "aud": receiver, "jti": jti, "iat": scene.clock.Wall().Unix(), "sub_id": subject,
		"events": members{sessionRevoked: members{}},
	}
	maps.Copy(claims, changes)
	return [2]string{jti, scene.key.Sign(t, "secevent+jwt", claims)}
}

func (scene *pollScene) shown(t *testing.T, state string) [2]string {
	t.Helper()
	return scene.event(t, members{"format": "opaque", "id": "s1"}, members{"events": members{streamVerified: members{"state": state}}})
}

func endOf(stepID string) members {
	return members{"format": "complex", "session": members{"format": "opaque", "id": stepID}}
}

// issue gives a token of the second in which the verifier began to hear.
func (scene *pollScene) issue(t *testing.T, changes members) string {
	t.Helper()
	claims := brokertest.StepClaims(ownResource, scene.clock.Wall(), members{"iat": scene.since})
	maps.Copy(claims, changes)
	return scene.key.Sign(t, "JWT", claims)
}

func (scene *pollScene) step(t *testing.T) *VerifiedStep {
	t.Helper()
	step, err := scene.verifier.Verify(scene.issue(t, nil), Presented{})
	if err != nil {
		t.Fatal(err)
	}
	return step
}

func (scene *pollScene) expect(t *testing.T, changes members, want Code) {
	t.Helper()
	if _, err := scene.verifier.Verify(scene.issue(t, changes), Presented{}); codeOf(err) != want {
		t.Errorf("%v: said %v, not %q", changes, err, want)
	}
}

func (scene *pollScene) recheck(step *VerifiedStep) Code { return codeOf(scene.verifier.Recheck(step)) }

// untilAsTimePasses waits for what comes of time.
func (scene *pollScene) untilAsTimePasses(t *testing.T, what string, holds func() bool) {
	t.Helper()
	until(t, what, func() bool {
		scene.clock.Advance(50 * time.Millisecond)
		return holds()
	})
}

func TestItTakesTheStreamThatThereIsOrMakesOne(t *testing.T) {
	for asked, listed := range map[int][]members{1: {streamWith(nil)}, 2: nil} {
		scene := polling(t, listed...)
		scene.expect(t, nil, NotReady)
		poll := scene.next(t)
		if poll.MaxEvents != 100 || !poll.ReturnImmediately || poll.Ack == nil || len(poll.Ack) != 0 {
			t.Errorf("asked %+v", poll)
		}
		scene.since = scene.answer(poll, nil) + 1
		if err := scene.verifier.Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
		scene.clock.Advance(time.Second)
		scene.expect(t, nil, "")
		if scene.next(t).ReturnImmediately {
			t.Error("did not wait")
		}
		if times := scene.issuer.Asked(streamPath); times != asked {
			t.Errorf("asked for streams %d times, not %d", times, asked)
		}
	}
}

func TestATokenIsRefusedOnceAnEventTellsAndSoIsWhatWasBegunWithIt(t *testing.T) {
	ofToken := members{"format": "jwt_id", "iss": brokertest.IssuerURL, "jti": "jti-1"}
	for state, subject := range map[string]members{"UNKNOWN": endOf("step-1"), "": ofToken} {
		scene := hearing(t)
		open, cancel, err := scene.verifier.WhileOpen(context.Background(), scene.step(t), &Call{ToolUse: readSearch})
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		scene.answer(scene.next(t), nil, scene.event(t, endOf("step-else"), nil), scene.event(t, subject, nil))
		come(t, open.Done())
		want := map[string]string{"reason": "unspecified"}
		if state != "" {
			want["state"] = state
		}
		if ended := EndOf(open); ended.Code != Revoked || !reflect.DeepEqual(ended.Metadata, want) {
			t.Errorf("ended by %v %v", ended, ended.Metadata)
		}
		scene.expect(t, nil, Revoked)
		scene.expect(t, members{"step_id": "step-other", "jti": "other"}, "")
		until(t, "two are denied", func() bool { return scene.verifier.Status().Denied == 2 })
	}
}

func TestWhatWasReceivedIsAcknowledgedOnceAndWhatIsSentAgainDoesNoHarm(t *testing.T) {
	scene := hearing(t)
	event := scene.event(t, endOf("step-1"), nil)
	for _, sent := range [][][2]string{{event}, {event}, nil} {
		scene.answer(scene.next(t), nil, sent...)
	}
	if last := scene.next(t); len(last.Ack) != 0 {
		t.Errorf("acknowledged %v", last.Ack)
	}
	scene.expect(t, nil, Revoked)
}

func TestWhatIsAcknowledgedIsWhatWasReceived(t *testing.T) {
	scene := hearing(t)
	event := scene.event(t, endOf("step-1"), nil)
	scene.answer(scene.next(t), nil, event)
	if second := scene.next(t); !reflect.DeepEqual(second.Ack, []string{event[0]}) {
		t.Errorf("acknowledged %v", second.Ack)
	}
}

func TestWhatWasIssuedBeforeItBeganToHearIsRefused(t *testing.T) {
	scene := hearing(t)
	scene.expect(t, members{"iat": scene.since - 1}, ClaimsInvalid)
	scene.expect(t, members{"iat": scene.since}, "")
}

func TestItHearsFromWhenAllThatWasPendingHadBeenSent(t *testing.T) {
	scene := polling(t, streamWith(nil))
	began := scene.answer(scene.next(t), members{"moreAvailable": true}, scene.event(t, endOf("step-else"), nil))
	until(t, "nothing is denied", func() bool { return scene.verifier.Status().Denied == 1 })
	scene.expect(t, nil, NotReady)
	scene.clock.Advance(time.Second)
	heard := scene.answer(scene.next(t), nil)
	if err := scene.verifier.Ready(context.Background()); err != nil || heard == began {
		t.Fatal(err, heard)
	}
	scene.clock.Advance(time.Second)
	scene.expect(t, members{"iat": heard}, ClaimsInvalid)
	scene.expect(t, members{"iat": heard + 1}, "")
}

func TestAStreamThatWasAwayMeanwhileBeginsAnew(t *testing.T) {
	for what, happens := range map[string]func(*pollScene){
		"removed":                      func(scene *pollScene) { scene.listed = nil },
		"disabled":                     func(scene *pollScene) { scene.status = "disabled" },
		"for other audiences":          func(scene *pollScene) { scene.stream = streamWith(members{"audiences": []string{"x"}}) },
		"without the ends of sessions": func(scene *pollScene) { scene.stream = streamWith(members{"events_delivered": []string{}}) },
	} {
		t.Run(what, func(t *testing.T) {
			scene := hearing(t)
			step, waiting := scene.step(t), scene.next(t)
			scene.with(func() { happens(scene) })
			scene.answer(waiting, nil)
			scene.untilAsTimePasses(t, "goes on", func() bool { return scene.recheck(step) == NotReady })
			scene.expect(t, nil, NotReady)
		})
	}
}

func TestAnEventThatSomebodyElseHasAskedForIsAReasonToRefuse(t *testing.T) {
	scene := hearing(t)
	step, own := scene.step(t), ""
	scene.with(func() { own = scene.states[0] })
	scene.answer(scene.next(t), nil, scene.shown(t, own))
	second := scene.next(t)
	if code := scene.recheck(step); code != "" {
		t.Errorf("said %s", code)
	}
	scene.answer(second, nil, scene.shown(t, "another's"))
	// And so it stays, since another that receives the stream shows once a minute.
	scene.answer(scene.next(t), nil)
	scene.next(t)
	if code := scene.recheck(step); code != NotReady {
		t.Errorf("said %s", code)
	}
}

func TestAnEventThatDoesNotHoldIsNotAcknowledgedAndInTimeEverythingIsRefused(t *testing.T) {
	scene := hearing(t)
	step := scene.step(t)
	event := scene.event(t, endOf("step-1"), members{"aud": "spiffe://example.org/verifier/else"})
	scene.answer(scene.next(t), nil, event)
	until(t, "is connected", func() bool { return !scene.verifier.Status().Connected })
	if status := scene.verifier.Status(); status.Denied != 0 || status.LastError != "the security event is for another receiver" {
		t.Errorf("says %+v", status)
	}
	if next := scene.next(t); len(next.Ack) != 0 {
		t.Errorf("acknowledged %v", next.Ack)
	}
	scene.clock.Advance(14_001 * time.Millisecond)
	if err := scene.verifier.Authorize(step, writeSearch); codeOf(err) != Stale {
		t.Errorf("said %v", err)
	}
}

func TestWithoutAnAnswerItRefusesByItsBoundsAndAClockThatWasSetIsFoundOut(t *testing.T) {
	scene := hearing(t)
	step := scene.step(t)
	status := scene.verifier.Status()
	if !status.Connected || status.Refusal != "" || status.Staleness == nil || *status.Staleness < time.Second {
		t.Errorf("says %+v", status)
	}
	scene.clock.SetWallAhead(-8 * time.Second)
	if code := scene.recheck(step); code != ClockSkewed {
		t.Errorf("said %s", code)
	}
	scene.clock.SetWallAhead(8*time.Second + 15_001*time.Millisecond)
	if err := scene.verifier.Authorize(step, writeSearch); codeOf(err) != Stale {
		t.Errorf("said %v", err)
	}
	if code := scene.recheck(step); code != "" {
		t.Errorf("said %s", code)
	}
	scene.clock.SetWallAhead(46 * time.Second)
	if code := scene.recheck(step); code != Stale || scene.verifier.Status().Refusal != Stale {
		t.Errorf("said %s", code)
	}
}

func TestAStreamThatCanNotTellOfEveryEndIsNotPolled(t *testing.T) {
	for says, changes := range map[string]members{
		"the stream of this verifier is for push":                 {"delivery": members{"method": "urn:ietf:rfc:8935"}},
		"the stream of this verifier is without session-revoked":  {"events_delivered": []string{}},
		"/ssf/stream was answered with no stream, or with one th": {"audiences": nil},
	} {
		scene := polling(t, streamWith(changes))
		until(t, "nothing failed", func() bool { return scene.verifier.Status().LastError != "" })
		if last := scene.verifier.Status().LastError; !strings.HasPrefix(last, says) || scene.issuer.Asked(pollPath) != 0 {
			t.Errorf("said %s", last)
		}
	}
}

func TestAnAudienceThatTheEntryDoesNotNameIsToldOfAtOnce(t *testing.T) {
	scene := polling(t, streamWith(members{"audiences": []string{"https://mcp.example.org/more"}}))
	var failed *Error
	if err := scene.verifier.Ready(context.Background()); !errors.As(err, &failed) || failed.Code != "AUDIENCE_INVALID" {
		t.Errorf("said %v", err)
	}
}

func TestAnSVIDThatDoesNotComeIsAReasonToRefuseAndEndsNothing(t *testing.T) {
	scene := hearing(t)
	waiting, good := scene.next(t), scene.svid
	scene.with(func() {
		scene.svid = func() (*tls.Certificate, error) { return nil, errors.New("no workload endpoint") }
	})
	scene.answer(waiting, nil)
	says := "there is no X.509-SVID of this verifier to be had"
	scene.untilAsTimePasses(t, "is had", func() bool { return scene.verifier.Status().LastError == says })
	scene.with(func() { scene.svid = good })
	scene.answer(scene.next(t), nil)
	scene.untilAsTimePasses(t, "is not had", func() bool { return scene.verifier.Status().LastError == "" })
}

func TestAVerifierThatPollsHasToShowWhoItIsOverHTTPS(t *testing.T) {
	good := PollRevocation{Issuer: brokertest.IssuerURL, TrustDomain: "example.org"}
	plain := good
	plain.URL, plain.SVID = "http://localhost:1", func(context.Context) (*tls.Certificate, error) { return nil, nil }
	for field, revocation := range map[string]PollRevocation{"revocation.svid": good, "revocation.url": plain} {
		if _, err := NewVerifier(Options{Audiences: []string{ownResource}, Revocation: revocation}); fieldOf(err) != field {
			t.Errorf("%s: said %v", field, err)
		}
	}
}
