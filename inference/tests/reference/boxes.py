# Greedy suppression in numpy: all overlaps as a matrix first, then the best one that is left, and so on.
for at in range(said("cases")):
    boxes, scores = np.array(said(f"{at}_boxes")), np.array(said(f"{at}_scores"))
    low, high = boxes[:, :3], boxes[:, 3:]
    volume = (high - low).prod(axis=1)
    sides = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    shared = sides.clip(min=0).prod(axis=2)
    union = volume[:, None] + volume[None] - shared
    overlap = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    alive, kept = np.ones(len(boxes), bool), []
    while alive.any():
        # argmax takes the first of equal ones.
        best = int(np.where(alive, scores, -1.0).argmax())
        kept.append(best)
        alive &= overlap[best] <= said(f"{at}_overlap")
        alive[best] = False
    save(f"{at}_kept", np.array(kept, float))
