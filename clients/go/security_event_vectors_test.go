package stint

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

type eventVectors struct {
	NowMs    int64             `json:"now_ms"`
	Issuer   string            `json:"issuer"`
	Audience string            `json:"audience"`
	Keys     json.RawMessage   `json:"keys"`
	Tokens   map[string]string `json:"tokens"`
	Scenes   []struct {
		Name   string `json:"name"`
		Script []struct {
			Do     string `json:"do"`
			Token  string `json:"token"`
			AtMs   int64  `json:"at_ms"`
			StepID string `json:"step_id"`
			Issuer string `json:"issuer"`
			JTI    string `json:"jti"`
			Is     any    `json:"is"`
		} `json:"script"`
	} `json:"scenes"`
}

// What an event denies, and which are none, whatever the verifier's language.
func TestSecurityEventVectors(t *testing.T) {
	var vectors eventVectors
	vectorsOf(t, "security-events.json", &vectors)
	keys, isSet := keysOf(vectors.Keys, "sig")
	if !isSet {
		t.Fatal("no keys")
	}
	taken := func(denied denyList, text string) (any, error) {
		event, refused := verifySecurityEvent(text, keys, vectors.Issuer, vectors.Audience)
		if refused != nil {
			return nil, refused
		}
		said, refused := event.told(time.UnixMilli(vectors.NowMs))
		switch {
		case refused != nil:
			return nil, refused
		case said.kind == toldDenial:
			denied.add([]denial{said.denial})
			return map[string]any{"told": said.kind, "forget_after_ms": said.denial.forgetAfter.UnixMilli()}, nil
		case said.kind == toldVerification:
			return map[string]any{"told": said.kind, "state": said.state}, nil
		default:
			return map[string]any{"told": said.kind}, nil
		}
	}
	for _, one := range vectors.Scenes {
		t.Run(one.Name, func(t *testing.T) {
			denied := denyList{}
			for _, act := range one.Script {
				var got any
				switch act.Do {
				case "event":
					said, err := taken(denied, vectors.Tokens[act.Token])
					if got = said; err != nil {
						got = outcomeOf(t, err)
					}
				case "forget":
					denied.forget(time.UnixMilli(act.AtMs))
					continue
				case "ask":
					got = "accepted"
					if found := denied.find([]denyKey{stepKey(act.StepID), jwtKey(act.Issuer, act.JTI)}); found != nil {
						got = outcomeOf(t, found.refusal())
					}
				default:
					t.Fatalf("no such act: %s", act.Do)
				}
				if got = throughJSON(t, got); !reflect.DeepEqual(got, act.Is) {
					t.Fatalf("%s of %s: got %v, want %v", act.Do, act.Token, got, act.Is)
				}
			}
		})
	}
}
