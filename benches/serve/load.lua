-- Load for wrk: the lines of a file in turn, and one line of JSON at the end.
-- wrk -s load.lua URL -- FILE
local bodies, place, failed = {}, 0, 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  for line in io.lines(arguments[1]) do
    local text = line:gsub('[\\"]', '\\%0')
    table.insert(bodies, '{"q": "' .. text .. '", "source": "en", "target": "de"}')
  end
end

function request()
  place = place % #bodies + 1
  return wrk.format("POST", "/translate", { ["Content-Type"] = "application/json" }, bodies[place])
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "p50": %.3f, "p99": %.3f, "bad": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
