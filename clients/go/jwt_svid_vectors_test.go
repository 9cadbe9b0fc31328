package stint

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// vectorsOf reads cases that the suites of all languages share. STINT_VECTORS is their folder where the module is not in its repository.
func vectorsOf(t *testing.T, name string, into any) {
	t.Helper()
	folder := os.Getenv("STINT_VECTORS")
	if folder == "" {
		folder = filepath.Join("..", "..", "test", "vectors")
	}
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

type jwtSettings struct {
	Audiences             []string          `json:"audiences"`
	Now                   int64             `json:"now"`
	Development           bool              `json:"development"`
	AllowSeveralAudiences bool              `json:"allow_several_audiences"`
	Confirmation          map[string]string `json:"confirmation"`
}

type jwtVectors struct {
	Settings json.RawMessage `json:"settings"`
	Bundles  []struct {
		TrustDomain string          `json:"trust_domain"`
		Issuer      string          `json:"issuer"`
		Development bool            `json:"development"`
		Document    json.RawMessage `json:"document"`
	} `json:"bundles"`
	Cases []struct {
		Name     string          `json:"name"`
		Token    string          `json:"token"`
		Settings json.RawMessage `json:"settings"`
		Expected map[string]any  `json:"expected"`
	} `json:"cases"`
}

// What every verifier makes of a JWT-SVID, whatever its language: what is verified, and each refusal by code, words and metadata.
func TestJWTSVIDVectors(t *testing.T) {
	var vectors jwtVectors
	vectorsOf(t, "jwt-svid.json", &vectors)
	bundles := bundleSet{}
	for _, one := range vectors.Bundles {
		bundles[one.TrustDomain] = jwtBundle{
			trustDomain: one.TrustDomain, keys: jwtKeysOf(one.Document), issuer: one.Issuer, development: one.Development,
		}
	}
	for _, one := range vectors.Cases {
		t.Run(one.Name, func(t *testing.T) {
			var settings jwtSettings
			for _, given := range []json.RawMessage{vectors.Settings, one.Settings} {
				if err := json.Unmarshal(given, &settings); err != nil {
					t.Fatal(err)
				}
			}
			verified, refused := verifyJWTSVID(one.Token, jwtTerms{
				bundles: bundles, audiences: settings.Audiences, now: settings.Now, development: settings.Development,
				allowSeveralAudiences: settings.AllowSeveralAudiences,
				possession:            Possession{X5tS256: settings.Confirmation["x5t#S256"], JKT: settings.Confirmation["jkt"]},
			})
			outcome := map[string]any{}
			if refused == nil {
				outcome["verified"] = shownJWT(verified)
			} else {
				outcome = map[string]any{"refused": refused.Code, "message": refused.Message, "metadata": refused.Metadata}
				if strings.ContainsAny(refused.Message, "\"\\\r\n") {
					t.Errorf("a message that can't go into a header: %s", refused.Message)
				}
			}
			if got := throughJSON(t, outcome); !reflect.DeepEqual(got, any(one.Expected)) {
				t.Errorf("got %v\nwant %v", got, one.Expected)
			}
		})
	}
}

// shownJWT is in the member names of the file; what is absent is left out.
func shownJWT(verified *verifiedJWTSVID) map[string]any {
	shown := map[string]any{
		"spiffe_id": verified.spiffeID, "trust_domain": verified.trustDomain, "audience": verified.audience,
		"key_id": verified.keyID, "expires_at": verified.times.expiresAt,
		"scopes": append([]string{}, verified.scopes...), "grant": append(Grant{}, verified.grant...),
	}
	for name, text := range map[string]string{"issuer": verified.issuer, "jti": verified.jti, "client_id": verified.clientID} {
		if text != "" {
			shown[name] = text
		}
	}
	for name, instant := range map[string]*int64{"not_before": verified.times.notBefore, "issued_at": verified.times.issuedAt} {
		if instant != nil {
			shown[name] = *instant
		}
	}
	if bound := verified.confirmation; bound != nil {
		shown["confirmation"] = map[string]string{bound.Method: bound.Digest}
	}
	if verified.step != nil {
		shown["step"] = shownStep(verified.step)
	}
	return shown
}

func shownStep(step *StepFacts) map[string]any {
	shown := map[string]any{
		"step_id": step.StepID, "run_id": step.RunID, "step": step.Step, "attempt": step.Attempt, "agent": step.Agent,
	}
	for name, text := range map[string]string{"workflow": step.Workflow, "parent_step_id": step.ParentStepID} {
		if text != "" {
			shown[name] = text
		}
	}
	if step.Principal != nil {
		shown["principal"] = map[string]string{"iss": step.Principal.Issuer, "sub": step.Principal.Subject}
	}
	return shown
}

func throughJSON(t *testing.T, value any) any {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var back any
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	return back
}
