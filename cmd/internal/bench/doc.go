// Package bench measures a cluster from outside, as its clients see it, and
// beside it what it stands on: a bare net/http server and a bare Raft, on the
// same machine and disk, in the same run, with the same load. Figures of a
// shared machine move by a third from one hour to the next; ratios do not.
//
// The load is closed: each client sends its next request when the last one is
// answered, so a rate and a latency belong together. What ends during the
// warm-up is not counted. Percentiles come from a histogram with buckets 0.8 %
// wide; the maximum is exact.
//
// Watches are measured in the same manner: thousands of readers in this process
// (package crowd), the nodes or a floor in others. A run whose watches missed an
// event, or had one twice, fails.
package bench
