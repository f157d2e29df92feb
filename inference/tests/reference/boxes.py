# IoU of the first box with all, and torchvision's batched_nms written out: sort, take the best, drop what
# overlaps it by more than the limit within its class, repeat.
n, axes = said("shape")
low, high = f32("low", (n, axes)).astype(np.float64), f32("high", (n, axes)).astype(np.float64)
scores, classes = f32("scores"), f32("classes")


def iou(a, others):
    wide = np.clip(np.minimum(high[a], high[others]) - np.maximum(low[a], low[others]), 0, None)
    both = wide.prod(axis=1)
    content = (high - low).prod(axis=1)
    return both / (content[a] + content[others] - both)


save("iou", iou(0, np.arange(n)))
order = np.argsort(-scores, kind="stable")
kept = []
while order.size:
    best, order = order[0], order[1:]
    kept.append(best)
    order = order[~((classes[order] == classes[best]) & (iou(best, order) > said("most")))]
save("kept", np.array(kept))
