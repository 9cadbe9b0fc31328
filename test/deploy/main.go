// Command conform is kubeconform: it says which of the manifests on its standard input are not what a schema says. The schemas are
// those that the API server of a release publishes, in the folder that is its one argument.
package main

import (
	"encoding/json"
	"os"

	"github.com/yannh/kubeconform/pkg/validator"
)

type finding struct {
	Kind   string `json:"kind"`
	Status string `json:"status"`
	Says   string `json:"says,omitempty"`
}

func main() {
	v, err := validator.New([]string{os.Args[1] + "/{{ .ResourceKind }}{{ .KindSuffix }}.json"}, validator.Opts{Strict: true})
	if err != nil {
		panic(err)
	}
	statuses := map[validator.Status]string{
		validator.Valid: "valid", validator.Invalid: "invalid", validator.Error: "error", validator.Skipped: "skipped", validator.Empty: "empty",
	}
	findings := []finding{}
	for _, result := range v.Validate("manifests", os.Stdin) {
		one := finding{Status: statuses[result.Status]}
		if signature, err := result.Resource.Signature(); err == nil {
			one.Kind = signature.Kind
		}
		if result.Err != nil {
			one.Says = result.Err.Error()
		}
		findings = append(findings, one)
	}
	if err := json.NewEncoder(os.Stdout).Encode(findings); err != nil {
		panic(err)
	}
}
