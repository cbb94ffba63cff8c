-- Fixed requests, one after another in turn: a list of one is the same request again and again.
dofile(os.getenv("BENCH_LOAD") .. "/report.lua")
local plan = dofile(os.getenv("BENCH_PLAN"))
local requests, turn = {}, 0

function init() -- not before: wrk knows the Host from here on
  for i, r in ipairs(plan.requests) do requests[i] = wrk.format(r.method, r.path, r.headers, r.body) end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end
