// One HTTP/2 connection with many watch streams, read frame by frame in one goroutine. A full gRPC client would spend
// more on each message than the server and so be measured instead of it.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	watchPath = "/nvidia.device.v1alpha1.GpuService/WatchGpus"
	// Wide enough for a whole run, so that no window update is ever needed.
	wideWindow      = 1 << 30
	messagePrefix   = 5
	initialSettings = 65535
)

type connection struct {
	socket  net.Conn
	framer  *http2.Framer
	encoder *hpack.Encoder
	headers bytes.Buffer
	partial map[uint32][]byte
}

// connect opens the connection. With a window of 0 the default windows stay, and soon close on a reader that does not read.
func connect(path string, window uint32) (*connection, error) {
	socket, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	c := &connection{socket: socket, framer: http2.NewFramer(socket, socket), partial: make(map[uint32][]byte)}
	c.encoder = hpack.NewEncoder(&c.headers)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.SetReuseFrames()
	if _, err := socket.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	if window == 0 {
		return c, c.framer.WriteSettings()
	}
	if err := c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}); err != nil {
		return nil, err
	}
	return c, c.framer.WriteWindowUpdate(0, window-initialSettings)
}

// watch opens one stream that asks for all GPUs and then for their changes.
func (c *connection) watch(stream uint32) error {
	c.headers.Reset()
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", watchPath}, {":authority", "localhost"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		if err := c.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return err
		}
	}
	headers := http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.headers.Bytes(), EndHeaders: true}
	if err := c.framer.WriteHeaders(headers); err != nil {
		return err
	}
	return c.framer.WriteData(stream, true, make([]byte, messagePrefix))
}

// read hands every message to receive, with the time of its arrival, until the connection or one of its streams ends.
func (c *connection) read(receive func(stream uint32, message []byte, arrival time.Time)) error {
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		arrival := time.Now()
		switch frame := frame.(type) {
		case *http2.DataFrame:
			c.messages(frame.StreamID, frame.Data(), func(message []byte) { receive(frame.StreamID, message, arrival) })
		case *http2.MetaHeadersFrame:
			if frame.StreamEnded() {
				return ended(frame)
			}
		case *http2.RSTStreamFrame:
			return fmt.Errorf("stream %d was reset: %v", frame.StreamID, frame.ErrCode)
		case *http2.GoAwayFrame:
			return fmt.Errorf("the server said goodbye: %v", frame.ErrCode)
		default:
			if err := c.answer(frame); err != nil {
				return err
			}
		}
	}
}

// messages cuts a stream's bytes into gRPC messages; what is not complete waits for the next frame.
func (c *connection) messages(stream uint32, data []byte, receive func([]byte)) {
	if rest := c.partial[stream]; len(rest) > 0 {
		data = append(rest, data...)
		delete(c.partial, stream)
	}
	for len(data) >= messagePrefix {
		end := messagePrefix + int(binary.BigEndian.Uint32(data[1:messagePrefix]))
		if len(data) < end {
			break
		}
		receive(data[messagePrefix:end])
		data = data[end:]
	}
	if len(data) > 0 {
		c.partial[stream] = append([]byte(nil), data...)
	}
}

func (c *connection) answer(frame http2.Frame) error {
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			return c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			return c.framer.WritePing(true, frame.Data)
		}
	}
	return nil
}

func ended(trailers *http2.MetaHeadersFrame) error {
	code, message := "none", ""
	for _, field := range trailers.RegularFields() {
		switch field.Name {
		case "grpc-status":
			code = field.Value
		case "grpc-message":
			message = field.Value
		}
	}
	return fmt.Errorf("stream %d ended with grpc-status %s %s", trailers.StreamID, code, message)
}
