"""The official Python SDK, unchanged, against the simulated exchange.

    python3 test/conformance/python_sdk.py http://localhost:3001

Needs `pip install hyperliquid-python-sdk`. Each step prints "ok NAME" or "FAIL NAME: why"; exit code 1 if one failed.
The account is the simulator's development account: the key of the SDK's own signing tests, funded by default.
"""

import queue
import sys
import time
import traceback

import eth_account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

DEV_KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
OTHER = "0x" + "44" * 20

base_url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:3001"
wallet = eth_account.Account.from_key(DEV_KEY)
me = wallet.address
steps = []


def step(run):
    steps.append(run)
    return run


def ok(response, kind=None):
    """The venue's own sign of success, or an AssertionError with its words."""
    assert response["status"] == "ok", response
    if kind is not None:
        assert response["response"]["type"] == kind, response
    return response["response"]


def statuses(response, kind="order"):
    return ok(response, kind)["data"]["statuses"]


def resting(status):
    assert "resting" in status, status
    return status["resting"]["oid"]


def now_ms():
    return int(time.time() * 1000)


def far_bid(percent=5.0):
    """A legal BTC price so far below the market."""
    return round(float(info.all_mids()["BTC"]) * (1 - percent / 100) / 10) * 10


def token_id(name):
    token = [t for t in info.spot_meta()["tokens"] if t["name"] == name][0]
    return f'{name}:{token["tokenId"]}'


info = Info(base_url, skip_ws=False)
dexs = [d["name"] for d in info.perp_dexs()[1:]]
exchange = Exchange(wallet, base_url, perp_dexs=["", *dexs])


@step
def info_market_data():
    mids = info.all_mids()
    assert float(mids["BTC"]) > 0, mids
    meta = info.meta()
    assert "BTC" in [a["name"] for a in meta["universe"]]
    meta_, ctxs = info.meta_and_asset_ctxs()
    assert len(meta_["universe"]) == len(ctxs)
    book = info.l2_snapshot("BTC")
    assert float(book["levels"][0][0]["px"]) < float(book["levels"][1][0]["px"])
    candles = info.candles_snapshot("BTC", "1m", now_ms() - 600_000, now_ms())
    assert isinstance(candles, list)
    assert isinstance(info.funding_history("BTC", now_ms() - 86_400_000), list)
    assert isinstance(info.funding_history("BTC", now_ms() - 86_400_000, now_ms()), list)


@step
def info_spot():
    spot = info.spot_meta()
    assert spot["tokens"][0]["name"] == "USDC"
    spot_, ctxs = info.spot_meta_and_asset_ctxs()
    assert len(spot_["universe"]) == len(ctxs)
    assert "balances" in info.spot_user_state(me)


@step
def info_account():
    state = info.user_state(me)
    assert float(state["marginSummary"]["accountValue"]) > 0
    assert info.open_orders(me) == []
    assert info.frontend_open_orders(me) == []
    assert isinstance(info.user_fills(me), list)
    assert isinstance(info.user_fills_by_time(me, now_ms() - 60_000), list)
    assert isinstance(info.user_funding_history(me, now_ms() - 60_000), list)
    assert "userCrossRate" in info.user_fees(me)
    assert info.user_rate_limit(me)["nRequestsCap"] >= 10_000
    assert info.user_role(me)["role"] == "user"
    assert isinstance(info.historical_orders(me), list)
    assert isinstance(info.user_non_funding_ledger_updates(me, 0), list)
    assert isinstance(info.portfolio(me), list)
    assert isinstance(info.extra_agents(me), list)
    assert isinstance(info.user_twap_slice_fills(me), list)
    assert isinstance(info.user_vault_equities(me), list)
    info.query_sub_accounts(me)
    info.query_referral_state(me)
    assert "delegated" in info.user_staking_summary(me)
    assert info.user_staking_delegations(me) == []
    info.query_user_dex_abstraction_state(me)
    info.query_user_to_multi_sig_signers(me)


@step
def order_modify_cancel():
    oid = resting(statuses(exchange.order("BTC", True, 0.001, far_bid(), {"limit": {"tif": "Gtc"}}))[0])
    status = info.query_order_by_oid(me, oid)
    assert status["status"] == "order" and status["order"]["status"] == "open", status
    new = resting(
        statuses(exchange.modify_order(oid, "BTC", True, 0.002, far_bid(6), {"limit": {"tif": "Gtc"}}))[0]
    )
    assert [o["oid"] for o in info.open_orders(me)] == [new]
    assert statuses(exchange.cancel("BTC", new), "cancel") == ["success"]
    assert info.open_orders(me) == []
    again = statuses(exchange.cancel("BTC", new), "cancel")[0]
    assert "never placed, already canceled, or filled" in again["error"], again


@step
def cloids():
    cloid = Cloid.from_str("0x00000000000000000000000000000abc")
    placed = exchange.order("BTC", True, 0.001, far_bid(), {"limit": {"tif": "Alo"}}, cloid=cloid)
    resting(statuses(placed)[0])
    assert info.query_order_by_cloid(me, cloid)["order"]["order"]["cloid"] == cloid.to_raw()
    new = Cloid.from_int(0xDEF)
    modified = exchange.modify_order(cloid, "BTC", True, 0.001, far_bid(7), {"limit": {"tif": "Alo"}}, cloid=new)
    resting(statuses(modified)[0])
    assert statuses(exchange.cancel_by_cloid("BTC", new), "cancel") == ["success"]


@step
def bulk_orders():
    orders = [
        {
            "coin": "BTC",
            "is_buy": True,
            "sz": 0.001,
            "limit_px": far_bid(5 + i),
            "order_type": {"limit": {"tif": "Alo"}},
            "reduce_only": False,
        }
        for i in range(3)
    ]
    oids = [resting(s) for s in statuses(exchange.bulk_orders(orders))]
    cancelled = statuses(exchange.bulk_cancel([{"coin": "BTC", "oid": o} for o in oids]), "cancel")
    assert cancelled == ["success"] * 3


@step
def market_open_and_close():
    filled = statuses(exchange.market_open("ETH", True, 0.05))[0]["filled"]
    assert filled["totalSz"] == "0.05", filled
    positions = [p["position"] for p in info.user_state(me)["assetPositions"]]
    assert [p["szi"] for p in positions if p["coin"] == "ETH"] == ["0.05"], positions
    assert info.user_fills(me)[0]["coin"] == "ETH"
    assert "filled" in statuses(exchange.market_close("ETH"))[0]
    assert info.user_state(me)["assetPositions"] == []


@step
def triggers():
    exchange.market_open("BTC", True, 0.002)
    px = far_bid(10)
    stop = {"trigger": {"triggerPx": px, "isMarket": True, "tpsl": "sl"}}
    placed = statuses(exchange.order("BTC", False, 0.002, px, stop, reduce_only=True))[0]
    # Armed at once: older exchanges said "resting" with the oid, this one says what it waits for.
    assert placed == "waitingForTrigger" or "resting" in placed, placed
    shown = info.frontend_open_orders(me)[0]
    oid = shown["oid"]
    assert shown["isTrigger"] and shown["orderType"] == "Stop Market", shown
    assert statuses(exchange.cancel("BTC", oid), "cancel") == ["success"]
    exchange.market_close("BTC")


@step
def leverage():
    ok(exchange.update_leverage(7, "ETH"), "default")
    ok(exchange.update_leverage(3, "ETH", is_cross=False), "default")
    exchange.market_open("ETH", True, 0.05)
    ok(exchange.update_isolated_margin(5, "ETH"), "default")
    position = info.user_state(me)["assetPositions"][0]["position"]
    assert position["leverage"]["type"] == "isolated" and position["leverage"]["value"] == 3, position
    exchange.market_close("ETH")
    ok(exchange.update_leverage(20, "ETH"), "default")


@step
def schedule_cancel():
    ok(exchange.schedule_cancel(now_ms() + 60_000), "default")
    ok(exchange.schedule_cancel(None), "default")


@step
def expires_after():
    exchange.set_expires_after(now_ms() - 10_000)
    late = exchange.order("BTC", True, 0.001, far_bid(), {"limit": {"tif": "Gtc"}})
    exchange.set_expires_after(None)
    assert late["status"] == "err" and "expired" in late["response"], late


@step
def transfers():
    ok(exchange.usd_transfer(100, OTHER), "default")
    assert float(info.user_state(OTHER)["marginSummary"]["accountValue"]) > 90
    ok(exchange.usd_class_transfer(50, False), "default")
    assert float(info.spot_user_state(me)["balances"][0]["total"]) >= 50
    ok(exchange.usd_class_transfer(50, True), "default")
    # Addresses inside user-signed text must be lower-case: the venue hashes its own spelling of them.
    ok(exchange.withdraw_from_bridge(10, me.lower()), "default")


@step
def agent_trades_for_master():
    approved, key = exchange.approve_agent("python")
    ok(approved, "default")
    agent = Exchange(eth_account.Account.from_key(key), base_url, account_address=me)
    oid = resting(statuses(agent.order("BTC", True, 0.001, far_bid(), {"limit": {"tif": "Gtc"}}))[0])
    assert [o["oid"] for o in info.open_orders(me)] == [oid]
    assert statuses(agent.cancel("BTC", oid), "cancel") == ["success"]
    assert "python" in [a["name"] for a in info.extra_agents(me)]


@step
def sub_account_trades_by_vault_address():
    sub = ok(exchange.create_sub_account("python"), "createSubAccount")["data"]
    ok(exchange.sub_account_transfer(sub, True, 1_000_000_000), "default")
    trader = Exchange(wallet, base_url, vault_address=sub)
    oid = resting(statuses(trader.order("BTC", True, 0.001, far_bid(), {"limit": {"tif": "Gtc"}}))[0])
    assert [o["oid"] for o in info.open_orders(sub)] == [oid]
    assert info.open_orders(me) == []
    assert statuses(trader.cancel("BTC", oid), "cancel") == ["success"]


@step
def set_referrer():
    answer = exchange.set_referrer("NOSUCHCODE")
    assert answer["status"] in ("ok", "err"), answer
    assert answer["status"] == "ok" or "sim" not in answer["response"].lower(), answer


@step
def hip3():
    dex = dexs[0]
    coin = info.meta(dex=dex)["universe"][0]["name"]
    assert coin.startswith(dex + ":"), coin
    assert float(info.all_mids(dex)[coin]) > 0
    bid = round(float(info.all_mids(dex)[coin]) * 0.95 / 10) * 10
    ok(exchange.update_leverage(5, coin), "default")
    oid = resting(statuses(exchange.order(coin, True, 0.001, bid, {"limit": {"tif": "Gtc"}}))[0])
    assert [o["oid"] for o in info.open_orders(me, dex)] == [oid]
    assert statuses(exchange.cancel(coin, oid), "cancel") == ["success"]
    assert float(info.user_state(me, dex)["marginSummary"]["accountValue"]) > 0


@step
def spot_order():
    pair = info.spot_meta()["universe"][0]["name"]
    px = float(info.all_mids()[pair])
    sz = round(20 / px)
    bid = float(f"{px * 0.97:.4g}")
    oid = resting(statuses(exchange.order(pair, True, sz, bid, {"limit": {"tif": "Gtc"}}))[0])
    assert statuses(exchange.cancel(pair, oid), "cancel") == ["success"]
    filled = statuses(exchange.market_open(pair, True, sz))[0]["filled"]
    assert float(filled["totalSz"]) == sz, filled
    ok(exchange.spot_transfer(1, OTHER, token_id("PURR")), "default")


@step
def refusals():
    stranger = Exchange(eth_account.Account.from_key("0x" + "77" * 32), base_url)
    answer = stranger.order("BTC", True, 0.001, far_bid(), {"limit": {"tif": "Gtc"}})
    assert answer["status"] == "err" and "does not exist" in answer["response"], answer
    tiny = statuses(exchange.order("BTC", True, 0.00001, far_bid(), {"limit": {"tif": "Gtc"}}))[0]
    assert "minimum value of $10" in tiny["error"], tiny


@step
def websocket():
    frames = {}

    def listen(name, subscription):
        frames[name] = queue.Queue()
        info.subscribe(subscription, frames[name].put)

    listen("allMids", {"type": "allMids"})
    listen("l2Book", {"type": "l2Book", "coin": "BTC"})
    listen("trades", {"type": "trades", "coin": "BTC"})
    listen("bbo", {"type": "bbo", "coin": "BTC"})
    listen("candle", {"type": "candle", "coin": "BTC", "interval": "1m"})
    listen("activeAssetCtx", {"type": "activeAssetCtx", "coin": "BTC"})
    listen("activeAssetData", {"type": "activeAssetData", "coin": "BTC", "user": me})
    listen("userEvents", {"type": "userEvents", "user": me})
    listen("userFills", {"type": "userFills", "user": me})
    listen("orderUpdates", {"type": "orderUpdates", "user": me})
    listen("userFundings", {"type": "userFundings", "user": me})
    listen("userNonFundingLedgerUpdates", {"type": "userNonFundingLedgerUpdates", "user": me})
    listen("webData2", {"type": "webData2", "user": me})
    for name in ("allMids", "l2Book", "trades", "bbo", "candle", "activeAssetCtx", "activeAssetData",
                 "userFills", "userFundings", "userNonFundingLedgerUpdates", "webData2"):
        try:
            frames[name].get(timeout=5)
        except queue.Empty:
            raise AssertionError(f"no {name} within 5 s") from None
    exchange.market_open("BTC", True, 0.001)
    for name in ("orderUpdates", "userEvents", "userFills"):
        try:
            frames[name].get(timeout=5)
        except queue.Empty:
            raise AssertionError(f"no {name} after a fill within 5 s") from None
    exchange.market_close("BTC")


def main():
    failed = 0
    for run in steps:
        try:
            run()
            print(f"ok {run.__name__}", flush=True)
        except Exception as error:  # every step is reported, whatever it dies of
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[1]
            print(f"FAIL {run.__name__} (line {where.lineno}): {type(error).__name__} {error}", flush=True)
    info.disconnect_websocket()
    print(f"{len(steps) - failed} of {len(steps)} ok", flush=True)
    return 1 if failed else 0


sys.exit(main())
