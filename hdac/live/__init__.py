"""Live streams over lossy lines: packets, loss, rates; WebRTC."""
