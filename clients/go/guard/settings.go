package guard

import (
	"net/url"
	"slices"

	"stint.example/stint"
	"stint.example/stint/internal/toolmap"
)

// BodyBytesMax is the bound of bodies where the settings have none: that of the MCP SDKs.
const BodyBytesMax = 4 * 1024 * 1024

// RFC 9728 section 3.1: put between host and path.
const wellKnown = "/.well-known/oauth-protected-resource"

// OtherMethods are what the settings have where they name none: what every MCP client does before and beside calling tools. Nothing of it
// reads the server's data or changes it.
func OtherMethods() []string { return slices.Clone(toolmap.OtherMethods) }

// Settings are what a guard is made with.
type Settings struct {
	// Verifier has the resource among its audiences.
	Verifier *stint.Verifier
	// Resource is the server's canonical URI: what JWT-SVIDs for it have as audience.
	Resource string
	// Issuer is the broker's issuer URL, for the protected-resource metadata.
	Issuer string
	// Tools are all that may be called at all, with what calling each takes. A tool that is not here is refused.
	Tools []stint.ToolUse
	// AskedTools are those of high risk, about whose every call the broker is asked; where it gives no answer they are refused. Calls that
	// a grant counts are asked about anyway.
	AskedTools []string
	// OtherMethods are those that any step with a token for this resource may call; the rest is refused. nil: those of [OtherMethods].
	OtherMethods []string
	// ResourceName is for people, in the metadata; empty: none.
	ResourceName string
	// DPoP takes proofs of keys that tokens are bound to, and says so. They are remembered in this process: behind several, each takes a
	// proof once.
	DPoP bool
	// MaxBodyBytes is 0 for [BodyBytesMax].
	MaxBodyBytes int64
}

// checked are settings without a mistake in them.
type checked struct {
	Settings
	tools        *toolmap.ToolMap
	origin, path string
	metadataPath string
	metadataURL  string
}

func (settings Settings) checked() (*checked, error) {
	if settings.Verifier == nil {
		return nil, toolmap.InvalidField("verifier", "a verifier")
	}
	for field, uri := range map[string]string{"resource": settings.Resource, "issuer": settings.Issuer} {
		if !stint.IsResourceURI(uri) {
			return nil, toolmap.InvalidField(field, "a canonical http(s) URI")
		}
	}
	if err := settings.Verifier.CheckAudience(settings.Resource); err != nil {
		return nil, err
	}
	var err error
	if settings.OtherMethods, err = toolmap.CheckedOtherMethods(settings.OtherMethods); err != nil {
		return nil, err
	}
	if settings.MaxBodyBytes == 0 {
		settings.MaxBodyBytes = BodyBytesMax
	}
	if settings.MaxBodyBytes < 0 {
		return nil, toolmap.InvalidField("max_body_bytes", "more than 0")
	}
	tools, err := toolmap.New(settings.Resource, settings.Tools, settings.AskedTools)
	if err != nil {
		return nil, err
	}
	location, err := url.Parse(settings.Resource)
	if err != nil {
		return nil, toolmap.InvalidField("resource", "a URI")
	}
	path, query := wellKnown+location.EscapedPath(), ""
	if location.RawQuery != "" {
		query = "?" + location.RawQuery
	}
	return &checked{
		Settings: settings, tools: tools, metadataPath: path,
		origin: location.Scheme + "://" + location.Host, path: location.EscapedPath(),
		metadataURL: location.Scheme + "://" + location.Host + path + query,
	}, nil
}

// scopeOf is the scope that a call of a tool takes.
func scopeOf(tool string) string { return "mcp:tool:" + tool }
