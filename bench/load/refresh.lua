-- A refresh token that is used once: each thread has one connection and goes on with what the last answer held.
dofile(os.getenv("BENCH_LOAD") .. "/report.lua")
local plan = dofile(os.getenv("BENCH_PLAN"))
local token
failed = 0

function request()
  token = token or plan.tokens[id + 1]
  return wrk.format("POST", plan.path, plan.headers, plan.body .. token)
end

function response(status, headers, body)
  local found = status == 200 and body:match('"refresh_token"%s*:%s*"([^"]+)"')
  if found then token = found else failed = failed + 1 end
end
