// Command alloy is Alloy with what docker/promtail/promtail.yaml needs of it.
package main

import (
	"os"

	"github.com/grafana/alloy/internal/alloycli"
)

func main() {
	if alloycli.Command().Execute() != nil {
		os.Exit(1)
	}
}
