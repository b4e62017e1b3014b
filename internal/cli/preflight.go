package cli

type preflightCommand struct {
	nodeFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *preflightCommand) Run(s *session) error { return nil }
