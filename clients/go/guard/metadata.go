package guard

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Long enough to spare a client the request, short enough that a new tool is found the same hour.
const metadataSeconds = 600

// metadata is by which a client that was refused learns who issues tokens for this server. See RFC 9728 section 2.
type metadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Scopes               []string `json:"scopes_supported"`
	AuthorizationDetails []string `json:"authorization_details_types_supported"`
	ResourceName         string   `json:"resource_name,omitempty"`
}

func (settings *checked) serveMetadata(response http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		response.Header().Set("Allow", "GET, HEAD")
		response.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	scopes := make([]string, len(settings.tools.Names))
	for index, name := range settings.tools.Names {
		scopes[index] = scopeOf(name)
	}
	body, err := json.Marshal(metadata{
		Resource:             settings.Resource,
		AuthorizationServers: []string{settings.Issuer},
		BearerMethods:        []string{"header"},
		Scopes:               scopes,
		AuthorizationDetails: []string{"mcp_tool"},
		ResourceName:         settings.ResourceName,
	})
	if err != nil {
		response.WriteHeader(http.StatusInternalServerError)
		return
	}
	header := response.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "public, max-age="+strconv.Itoa(metadataSeconds))
	// It holds no secret, and a client in a browser has to read it.
	header.Set("Access-Control-Allow-Origin", "*")
	if request.Method == http.MethodGet {
		_, _ = response.Write(body)
	}
}
