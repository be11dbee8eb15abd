-- For wrk: what was transferred, as one line that a program can read.
function done(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("\nresult %d %d %d %d\n", summary.bytes, summary.requests,
                           summary.duration, failed))
end
