package jetstream

import (
	"io"
	"sync"
)

// chunkSource yields the content of an object in chunks.
type chunkSource interface {
	// next returns the next chunk, which is full unless it is the last one, and
	// io.EOF after that.
	next() ([]byte, error)

	// recycle takes back a chunk that is not needed any more.
	recycle(chunk []byte)

	// close is called when no chunk is needed any more.
	close()
}

// bytesSource yields content that is in memory. Its chunks are parts of that.
type bytesSource struct {
	rest []byte
	size int // of a chunk
}

func (s *bytesSource) next() ([]byte, error) {
	if len(s.rest) == 0 {
		return nil, io.EOF
	}
	n := min(len(s.rest), s.size)
	chunk := s.rest[:n]
	s.rest = s.rest[n:]
	return chunk, nil
}

func (s *bytesSource) recycle([]byte) {}

func (s *bytesSource) close() {}

// chunkBuffers holds buffers for chunks of the default size.
var chunkBuffers = sync.Pool{New: func() any { return new([defaultObjectChunk]byte) }}

// readerSource yields what a reader does. A chunk stays as it is until it is
// recycled.
type readerSource struct {
	reader io.Reader
	size   int // of a chunk
	end    error
	free   [][]byte
}

// maxEmptyReads is how many times in a row a reader may return nothing at all.
const maxEmptyReads = 100

// next fills a chunk, however little the reader yields at a time. It cannot use
// [io.ReadFull], to whose caller content that was cut short, for which readers
// have io.ErrUnexpectedEOF, looks like a last chunk.
func (s *readerSource) next() ([]byte, error) {
	if s.end != nil {
		return nil, s.end
	}
	buf := s.buffer()
	n, empty := 0, 0
	for n < len(buf) && s.end == nil {
		var read int
		read, s.end = s.reader.Read(buf[n:])
		n += read
		switch {
		case read > 0:
			empty = 0
		case s.end == nil:
			if empty++; empty == maxEmptyReads {
				s.end = io.ErrNoProgress
			}
		}
	}
	if n == 0 || (s.end != nil && s.end != io.EOF) {
		s.recycle(buf)
		return nil, s.end
	}
	return buf[:n], nil
}

func (s *readerSource) buffer() []byte {
	if last := len(s.free) - 1; last >= 0 {
		buf := s.free[last]
		s.free = s.free[:last]
		return buf
	}
	if s.size == defaultObjectChunk {
		return chunkBuffers.Get().(*[defaultObjectChunk]byte)[:]
	}
	return make([]byte, s.size)
}

func (s *readerSource) recycle(chunk []byte) { s.free = append(s.free, chunk[:s.size]) }

func (s *readerSource) close() {
	if s.size == defaultObjectChunk {
		for _, buf := range s.free {
			chunkBuffers.Put((*[defaultObjectChunk]byte)(buf))
		}
	}
	s.free = nil
}
