package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// HTTP/2's own; a client that asks for nothing has it, as most gRPC libraries at first do.
	windowBytes = 65_535
	// What was read is given back when half of the window is used.
	giveBackBytes = windowBytes / 2
	// gRPC's framing of a message: whether it is compressed, and its length.
	prefixBytes = 5
)

// connection is one HTTP/2 connection to a socket of the broker, with as little work as can be: a generator of load takes its CPU from
// the same cores as what it measures. One goroutine reads; streams are written to by any. Requests are small and wait for their
// answers, so that no window of the broker's is ever used up, and none is looked at.
type connection struct {
	socket  net.Conn
	reader  *http2.Framer
	decoder *hpack.Decoder
	// Of the headers that are being read.
	status, statusText string
	// Bytes of all streams that were read and not given back.
	unreturned int

	writing    sync.Mutex
	out        bytes.Buffer
	writer     *http2.Framer
	block      bytes.Buffer
	encoder    *hpack.Encoder
	nextStream uint32
}

func connect(path string) (*connection, error) {
	socket, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	made := &connection{socket: socket, nextStream: 1}
	made.reader = http2.NewFramer(io.Discard, bufio.NewReader(socket))
	made.reader.SetReuseFrames()
	made.decoder = hpack.NewDecoder(4_096, made.takeHeader)
	made.writer = http2.NewFramer(&made.out, nil)
	made.encoder = hpack.NewEncoder(&made.block)
	made.out.WriteString(http2.ClientPreface)
	_ = made.writer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	return made, made.flush()
}

func (c *connection) close() { _ = c.socket.Close() }

// flush sends what was written, in one system call.
func (c *connection) flush() error {
	_, err := c.socket.Write(c.out.Bytes())
	c.out.Reset()
	return err
}

func (c *connection) takeHeader(field hpack.HeaderField) {
	switch field.Name {
	case "grpc-status":
		c.status = field.Value
	case "grpc-message":
		c.statusText = field.Value
	}
}

// begin sends the headers of a call and its first message.
func (c *connection) begin(path string, message []byte, isLast bool) (*stream, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	begun := &stream{connection: c, id: c.nextStream}
	c.nextStream += 2
	c.status, c.statusText = "", ""
	c.block.Reset()
	for _, field := range [...]hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: path},
		{Name: ":authority", Value: "localhost"},
		{Name: "content-type", Value: "application/grpc+proto"},
		{Name: "te", Value: "trailers"},
		// SPIFFE Workload Endpoint section 6.2: no page in a browser can send it.
		{Name: "workload.spiffe.io", Value: "true"},
	} {
		_ = c.encoder.WriteField(field)
	}
	_ = c.writer.WriteHeaders(http2.HeadersFrameParam{StreamID: begun.id, BlockFragment: c.block.Bytes(), EndHeaders: true})
	return begun, begun.write(message, isLast)
}

// call makes one unary call while no other stream of the connection is open.
func (c *connection) call(path string, message []byte) ([]byte, error) {
	begun, err := c.begin(path, message, true)
	if err != nil {
		return nil, err
	}
	for !begun.isOver {
		if err := begun.read(); err != nil {
			return nil, err
		}
	}
	if err := begun.end(); err != io.EOF {
		return nil, err
	}
	return begun.arrived[min(prefixBytes, len(begun.arrived)):], nil
}

// stream is one call. Only one of a connection's streams is read from at a time.
type stream struct {
	connection *connection
	id         uint32
	// Read, and not yet a whole message.
	arrived []byte
	// The first bytes of it that were given as a message, and are to be dropped.
	given      int
	unreturned int
	isOver     bool
}

func (s *stream) send(message []byte) error {
	s.connection.writing.Lock()
	defer s.connection.writing.Unlock()
	return s.write(message, false)
}

func (s *stream) write(message []byte, isLast bool) error {
	var framed = make([]byte, prefixBytes, prefixBytes+len(message))
	binary.BigEndian.PutUint32(framed[1:], uint32(len(message)))
	_ = s.connection.writer.WriteData(s.id, isLast, append(framed, message...))
	return s.connection.flush()
}

// next gives the next message, whose bytes are good until next is called again; io.EOF when the call has ended well.
func (s *stream) next() ([]byte, error) {
	s.arrived = append(s.arrived[:0], s.arrived[s.given:]...)
	s.given = 0
	for {
		if len(s.arrived) >= prefixBytes {
			end := prefixBytes + int(binary.BigEndian.Uint32(s.arrived[1:]))
			if len(s.arrived) >= end {
				s.given = end
				return s.arrived[prefixBytes:end], nil
			}
		}
		if s.isOver {
			return nil, s.end()
		}
		if err := s.read(); err != nil {
			return nil, err
		}
	}
}

// shrink lets go of what one large message needed.
func (s *stream) shrink(mostBytes int) {
	if cap(s.arrived) > mostBytes {
		s.arrived, s.given = append([]byte(nil), s.arrived[s.given:]...), 0
	}
}

// end says how the call has ended: io.EOF is well.
func (s *stream) end() error {
	if s.connection.status == "0" {
		return io.EOF
	}
	text := s.connection.statusText
	if decoded, err := url.PathUnescape(text); err == nil {
		text = decoded
	}
	return &refusal{s.connection.status, text}
}

// refusal is an answer of the broker's.
type refusal struct{ status, text string }

func (r *refusal) Error() string { return fmt.Sprintf("status %s: %s", r.status, r.text) }

// isPassing says of a broker that it will answer later: gRPC's UNAVAILABLE.
func (r *refusal) isPassing() bool { return r.status == "14" }

// read takes in one frame.
func (s *stream) read() error {
	c := s.connection
	frame, err := c.reader.ReadFrame()
	if err != nil {
		return err
	}
	switch frame := frame.(type) {
	case *http2.DataFrame:
		s.arrived = append(s.arrived, frame.Data()...)
		s.isOver = frame.StreamEnded()
		return s.giveBack(int(frame.Length))
	case *http2.HeadersFrame:
		s.isOver = frame.StreamEnded()
		_, err = c.decoder.Write(frame.HeaderBlockFragment())
	case *http2.ContinuationFrame:
		_, err = c.decoder.Write(frame.HeaderBlockFragment())
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			err = c.answer(func() error { return c.writer.WriteSettingsAck() })
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			err = c.answer(func() error { return c.writer.WritePing(true, frame.Data) })
		}
	case *http2.RSTStreamFrame:
		err = fmt.Errorf("the stream was reset: %v", frame.ErrCode)
	case *http2.GoAwayFrame:
		err = fmt.Errorf("the broker went away: %v", frame.ErrCode)
	}
	return err
}

func (c *connection) answer(write func() error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = write()
	return c.flush()
}

// giveBack opens the windows again for what was read.
func (s *stream) giveBack(length int) error {
	c := s.connection
	c.unreturned += length
	s.unreturned += length
	isStreamDue := !s.isOver && s.unreturned >= giveBackBytes
	if c.unreturned < giveBackBytes && !isStreamDue {
		return nil
	}
	return c.answer(func() error {
		if c.unreturned > 0 {
			_ = c.writer.WriteWindowUpdate(0, uint32(c.unreturned))
			c.unreturned = 0
		}
		if isStreamDue {
			_ = c.writer.WriteWindowUpdate(s.id, uint32(s.unreturned))
			s.unreturned = 0
		}
		return nil
	})
}
