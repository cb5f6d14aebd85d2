"""Count the rows that go through Python in the queries of a `with` block, by Spark's own metrics."""

from contextlib import contextmanager


@contextmanager
def rows_through_python(spark):
    """Yield a list that gets the number of output rows of each Python UDF node, at the end of the block."""
    store = spark._jsparkSession.sharedState().statusStore()
    before = max(_executions(store), default=-1)
    rows = []
    yield rows
    listener_bus = spark.sparkContext._jsc.sc().listenerBus()
    listener_bus.waitUntilEmpty()
    for number in (number for number in _executions(store) if number > before):
        values = store.executionMetrics(number)
        nodes = store.planGraph(number).allNodes()
        for node in (nodes.apply(i) for i in range(nodes.size())):
            if "EvalPython" in node.name():
                rows.extend(_metric(node, values, "number of output rows"))


def _metric(node, values, name):
    metrics = node.metrics()
    for metric in (metrics.apply(i) for i in range(metrics.size())):
        if metric.name() == name and values.contains(metric.accumulatorId()):
            yield int(values.apply(metric.accumulatorId()).replace(",", ""))


def _executions(store):
    """Return the ids of the executions that Spark remembers. It keeps the last 1,000, so that positions shift."""
    executions = store.executionsList()
    return [executions.apply(position).executionId() for position in range(executions.size())]
