package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// tick writes a line with a number at each interval, until SIGTERM.
func tick(interval string) error {
	d, err := time.ParseDuration(interval)
	if err != nil {
		return err
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, os.Interrupt)
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for n := 1; ; n++ {
		fmt.Println("tick", n)
		select {
		case <-ticker.C:
		case <-term:
			return nil
		}
	}
}
