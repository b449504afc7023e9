import type { Action, OrderWire } from "./actions.js";

/** As JSON.stringify of the same, but for what a quoting client sends most in a fraction of its time. */
export function actionText(action: Action): string {
  if (action.type === "order" && action.grouping === "na" && action.builder === undefined) {
    let out = "";
    for (const o of action.orders) out += (out === "" ? "" : ",") + orderText(o);
    return `{"type":"order","orders":[${out}],"grouping":"na"}`;
  }
  if (action.type === "batchModify" && action.a === undefined) {
    let out = "";
    for (const { oid, order } of action.modifies)
      out += `${out === "" ? "" : ","}{"oid":${typeof oid === "number" ? oid : `"${oid}"`},"order":${orderText(order)}}`;
    return `{"type":"batchModify","modifies":[${out}]}`;
  }
  return JSON.stringify(action);
}

function orderText(o: OrderWire): string {
  const how = "limit" in o.t ? `{"limit":{"tif":"${o.t.limit.tif}"}}` : JSON.stringify(o.t);
  return `{"a":${o.a},"b":${o.b},"p":"${o.p}","s":"${o.s}","r":${o.r},"t":${how}${o.c === undefined ? "" : `,"c":"${o.c}"`}}`;
}
