//go:build linux

package main

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// stream keeps what goes on on a subject in a stream.
func (b *busClient) stream(subject string) func() error {
	s, err := b.makeStream(jetstream.StreamConfig{Subjects: []string{subject}, NoAck: true})
	if err != nil {
		return func() error { return err }
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
		defer cancel()
		info, err := s.Info(ctx)
		if err == nil && info.State.Msgs == 0 {
			err = errors.New("the stream stays empty")
		}
		return err
	}
}

// makeStream makes a stream that is deleted again.
func (b *busClient) makeStream(c jetstream.StreamConfig) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	c.Name, c.Storage = "intruder-"+nuid.Next(), jetstream.MemoryStorage
	s, err := b.js.CreateStream(ctx, c)
	if err != nil {
		return nil, err
	}
	b.cleanups = append(b.cleanups, func() {
		ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
		defer cancel()
		must(b.js.DeleteStream(ctx, c.Name))
	})
	return s, nil
}

// deliver has a consumer of an own stream send to a subject.
func (b *busClient) deliver(subject, mark string) func() error {
	in := "separation.in." + nuid.Next()
	s, err := b.makeStream(jetstream.StreamConfig{Subjects: []string{in}})
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
		defer cancel()
		_, err = b.js.CreatePushConsumer(ctx, s.CachedInfo().Config.Name, jetstream.ConsumerConfig{DeliverSubject: subject, AckPolicy: jetstream.AckNonePolicy})
	}
	return b.store(in, mark, err)
}

// republish has an own stream send to a subject.
func (b *busClient) republish(subject, mark string) func() error {
	in := "separation.in." + nuid.Next()
	_, err := b.makeStream(jetstream.StreamConfig{Subjects: []string{in}, RePublish: &jetstream.RePublish{Source: in, Destination: subject}})
	return b.store(in, mark, err)
}

// store sends what a stream passes on, unless that could not be made.
func (b *busClient) store(in, mark string, err error) func() error {
	if err != nil {
		return func() error { return err }
	}
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	must(second(b.js.PublishMsg(ctx, b.message(in, mark))))
	return b.wasHeard(mark)
}
