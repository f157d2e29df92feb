# Two opposite corners of each box in mm: SimpleITK turns the images, and knows where an index lies.
import SimpleITK as sitk

size, _, _ = said("images")
images = image("images", np.zeros(size, "<f4"))
# Ours names the slowest axis first.
turned = sitk.DICOMOrient(images, said("orientation")[::-1])
for at, corners in enumerate(np.reshape(said("boxes"), (-1, 2, 3))):
    # 0 is the outer face of the first voxel, an index its middle; SimpleITK has the fastest axis first.
    places = [turned.TransformContinuousIndexToPhysicalPoint((c[::-1] - 0.5).tolist()) for c in corners]
    save(f"corners_{at}", np.concatenate(places))
