-- The authorization code flow with PKCE: ask for a code, change it for tokens, and again; one connection a thread.
dofile(os.getenv("BENCH_LOAD") .. "/report.lua")
local plan = dofile(os.getenv("BENCH_PLAN"))
local code
failed = 0

function request()
  if code then return wrk.format("POST", plan.token_path, plan.token_headers, plan.token_body .. code) end
  return wrk.format("GET", plan.authorize_path, plan.authorize_headers)
end

function response(status, headers, body)
  if code then
    code = nil
    if status ~= 200 or not body:find('"access_token"', 1, true) then failed = failed + 1 end
    return
  end
  local location = headers["location"] or headers["Location"] or ""
  code = location:match("[?&]code=([^&]+)")
  if not code then failed = failed + 1 end
end
