"""The simple strategy of simple-strategy.ts in hftbacktest: python strategy.py EVENTS.npy OPTIONS.json -> JSON on stdout."""
import json
import math
import sys
import time

import numpy as np
from numba import njit
from hftbacktest import (
    BacktestAsset, HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest, GTX, LIMIT, BUY, NONE,
)
import hftbacktest


@njit
def run(hbt, tick, lot, half_bps, move_ticks, sz_lots, cap_lots, beat_ns, offset_ns, fills):
    count = 0
    next_id = 1
    # Filled size already told, by order: at most two live.
    seen = np.zeros(1 << 20, np.int64)
    first = True
    while hbt.elapse(offset_ns if first else beat_ns) == 0:
        first = False
        has_bid = False
        has_ask = False
        cancel_id = np.uint64(0)
        orders = hbt.orders(0)
        values = orders.values()
        while values.has_next():
            order = values.get()
            filled = int(round((order.qty - order.leaves_qty) / lot))
            if order.status == 3 or order.status == 5:
                new = filled - seen[order.order_id]
                if new > 0:
                    fills[count, 0] = order.exch_timestamp
                    fills[count, 1] = order.side
                    fills[count, 2] = order.price_tick
                    fills[count, 3] = new
                    count += 1
                    seen[order.order_id] = filled
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        if depth.best_bid_tick <= 0 or depth.best_ask_tick >= 9223372036854775807 or depth.best_ask_tick <= depth.best_bid_tick:
            continue
        mid = (depth.best_bid_tick + depth.best_ask_tick) / 2
        bid = min(math.floor(mid * (1 - half_bps / 1e4)), depth.best_ask_tick - 1)
        ask = max(math.ceil(mid * (1 + half_bps / 1e4)), depth.best_bid_tick + 1)
        pos = int(round(hbt.position(0) / lot))
        cancel_a = np.uint64(0)
        cancel_b = np.uint64(0)
        values = hbt.orders(0).values()
        while values.has_next():
            order = values.get()
            target = bid if order.side == BUY else ask
            if order.side == BUY:
                has_bid = True
            else:
                has_ask = True
            if order.req == NONE and abs(order.price_tick - target) > move_ticks:
                if order.side == BUY:
                    cancel_a = order.order_id
                else:
                    cancel_b = order.order_id
        if cancel_a != 0:
            hbt.cancel(0, cancel_a, False)
        elif not has_bid and pos + sz_lots <= cap_lots:
            hbt.submit_buy_order(0, next_id, bid * tick, sz_lots * lot, GTX, LIMIT, False)
            next_id += 1
        if cancel_b != 0:
            hbt.cancel(0, cancel_b, False)
        elif not has_ask and -pos + sz_lots <= cap_lots:
            hbt.submit_sell_order(0, next_id, ask * tick, sz_lots * lot, GTX, LIMIT, False)
            next_id += 1
    return count


def asset(data, o):
    a = (
        BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(int(o["orderMs"] * 1e6), int(o["ackMs"] * 1e6))
        .partial_fill_exchange()
        .trading_value_fee_model(o["makerBps"] / 1e4, o["takerBps"] / 1e4)
        .tick_size(0.1)
        .lot_size(0.00001)
        .roi_lb(o["loPx"])
        .roi_ub(o["hiPx"])
    )
    q = o["queue"]
    if q["kind"] == "risk-averse":
        return a.risk_adverse_queue_model()
    if q["kind"] == "log":
        return a.log_prob_queue_model()
    return a.power_prob_queue_model(q["n"])


def main():
    data = np.load(sys.argv[1])
    with open(sys.argv[2]) as f:
        o = json.load(f)
    build = ROIVectorMarketDepthBacktest if o["depth"] == "roi" else HashMapMarketDepthBacktest
    # As its users keep recordings: compressed, read by its own reader.
    packed = sys.argv[1].replace(".npy", ".npz")
    np.savez_compressed(packed, data=data)
    seconds = []
    from_file = []
    for i in range(2 * o["rounds"] + 2):
        fills = np.zeros((200000, 4), np.int64)
        is_file = i % 2 == 1
        loading = time.process_time()
        hbt = build([asset([packed] if is_file else data, o)])
        started = time.process_time()
        count = run(
            hbt, 0.1, 0.00001, o["halfSpreadBps"], o["moveTicks"], o["szLots"], o["capLots"],
            int(o["beatMs"] * 1e6), int(o["offsetMs"] * 1e6), fills,
        )
        ended = time.process_time()
        if is_file:
            from_file.append(ended - loading)
        else:
            seconds.append(ended - started)
        state = hbt.state_values(0)
        depth = hbt.depth(0)
        mid = (depth.best_bid + depth.best_ask) / 2
        out = {
            "version": hftbacktest.__version__,
            "events": len(data),
            "volumeLots": round(state.trading_volume / 0.00001),
            "positionLots": round(state.position / 0.00001),
            "feesUsd": state.fee,
            "pnlUsd": state.balance + state.position * mid - state.fee,
            "fills": [[int(x) for x in row] for row in fills[:count]],
        }
        hbt.close()
    # The first round compiles.
    out["seconds"] = seconds[1:]
    out["secondsFromFile"] = from_file[1:]
    print(json.dumps(out))


main()
