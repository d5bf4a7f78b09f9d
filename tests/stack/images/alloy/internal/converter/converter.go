// Package converter reads Promtail's configuration only: the other readers bring every exporter.
package converter

import (
	"github.com/grafana/alloy/internal/converter/diag"
	"github.com/grafana/alloy/internal/converter/internal/promtailconvert"
)

// Input is a form of configuration, as --config.format names it.
type Input string

// SupportedFormats are the forms that can be read beside Alloy's own.
var SupportedFormats = []string{"promtail"}

// Convert makes a configuration of Alloy out of one of Promtail.
func Convert(text []byte, kind Input, more []string) ([]byte, diag.Diagnostics) {
	if kind != "promtail" {
		var said diag.Diagnostics
		said.Add(diag.SeverityLevelCritical, "this Alloy reads Promtail's form only")
		return nil, said
	}
	return promtailconvert.Convert(text, more)
}
