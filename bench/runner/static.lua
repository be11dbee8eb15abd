-- For wrk: what was received, in what time, and how many requests failed, as one line.
function done(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("\nresult %d %d %d\n", summary.bytes, summary.duration, failed))
end
