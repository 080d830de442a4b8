package pack

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"koweld/manifest"
)

// zstdWindow is the window of zstd -3, kbuild's choice. The kernel allocates it
// for each module (zstd_dstream_workspace_bound in kernel/module/decompress.c).
const zstdWindow = 2 << 20

// newZstd writes one frame that states size, its content's size in bytes.
// One encoder at a time: the output then does not depend on the processors.
func newZstd(w io.Writer, size int64) (io.WriteCloser, error) {
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression),
		zstd.WithWindowSize(zstdWindow))
	if err != nil {
		return nil, err
	}
	z.ResetContentSize(w, size)
	return z, nil
}

// openZstd reads one frame.
func openZstd(data []byte) (io.Reader, int64, error) {
	claim, err := checkZstd(data)
	if err != nil {
		return nil, 0, dataError(manifest.Zstd, err)
	}
	z, err := zstd.NewReader(bytes.NewReader(data),
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecodeBuffersBelow(0),
		zstd.WithDecoderMaxWindow(MaxWindow))
	if err != nil {
		return nil, 0, dataError(manifest.Zstd, err)
	}
	return z, claim, nil
}

// checkZstd walks the blocks of a frame (RFC 8878 §3.1.1) without decoding
// them: its window must be within bounds and its end the end of data. It
// returns the content's size that the frame claims, or -1.
func checkZstd(data []byte) (int64, error) {
	var h zstd.Header
	if err := h.Decode(data); err != nil {
		return 0, err
	}
	window, claim := h.WindowSize, int64(-1)
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	if h.HasFCS {
		claim = int64(h.FrameContentSize)
	}
	switch {
	case h.DictionaryID != 0:
		return 0, fmt.Errorf("it needs dictionary %d", h.DictionaryID)
	case window > MaxWindow:
		return 0, fmt.Errorf("its window of %d bytes is larger than %d", window, MaxWindow)
	case h.HasFCS && claim < 0:
		return 0, fmt.Errorf("it claims to hold %d bytes", h.FrameContentSize)
	}
	pos := h.HeaderSize
	for last := false; !last; {
		if len(data)-pos < 3 {
			return 0, io.ErrUnexpectedEOF
		}
		b := uint32(data[pos]) | uint32(data[pos+1])<<8 | uint32(data[pos+2])<<16
		pos, last = pos+3, b&1 != 0
		size := int(b >> 3)
		if b>>1&3 == 1 { // RLE_Block: one byte, repeated
			size = 1
		}
		if len(data)-pos < size {
			return 0, io.ErrUnexpectedEOF
		}
		pos += size
	}
	if h.HasCheckSum {
		pos += 4
	}
	switch {
	case pos > len(data):
		return 0, io.ErrUnexpectedEOF
	case pos < len(data):
		return 0, errTrailing
	}
	return claim, nil
}
