package superoptcmd

import "github.com/spf13/cobra"

func ladderCommand() *cobra.Command { return &cobra.Command{Use: "ladder"} }
func benchCommand() *cobra.Command  { return &cobra.Command{Use: "bench"} }
