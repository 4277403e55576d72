/* What the kernels are written in: OpenCL C 1.2 and, through these names, CUDA C++ as well. Every
 * file of kernels includes it first.
 *
 * A matrix is row-major and without gaps, and is given as a buffer and where in it it starts, in
 * elements. An item is a work-item or thread, a group a work-group or thread block. */

#ifdef __CUDACC__

typedef unsigned char uchar;
typedef unsigned int uint;
typedef unsigned long long ulong;
#define GLOBAL
#define LOCAL
#define SHARED __shared__ __align__(16)
#define DEVICE static __device__ inline
#define KERNEL(name) extern "C" __global__ void name
#define KERNEL_OF_GROUP(name, x, y) extern "C" __global__ void __launch_bounds__((x) * (y)) name
#define BARRIER() __syncthreads()
/* What one group has written before PUBLISH, another reads by LOAD_PUBLISHED after it learns of it
 * by an atomic operation. */
#define PUBLISH() __threadfence()
#define LOAD_PUBLISHED(from) __ldcg(from)
#define ATOMIC_INCREMENT(count) atomicAdd(count, 1u) /* gives what it was */
DEVICE uint get_local_id(int dimension) {
    return dimension == 0 ? threadIdx.x : dimension == 1 ? threadIdx.y : threadIdx.z;
}
DEVICE uint get_group_id(int dimension) {
    return dimension == 0 ? blockIdx.x : dimension == 1 ? blockIdx.y : blockIdx.z;
}
DEVICE uint get_num_groups(int dimension) {
    return dimension == 0 ? gridDim.x : dimension == 1 ? gridDim.y : gridDim.z;
}
DEVICE ulong get_global_id(int dimension) {
    const uint size = dimension == 0 ? blockDim.x : dimension == 1 ? blockDim.y : blockDim.z;
    return (ulong)get_group_id(dimension) * size + get_local_id(dimension);
}

#else

#define GLOBAL global
#define LOCAL local
#define SHARED local __attribute__((aligned(16))) /* an array of a group, declared in a kernel */
#define DEVICE static inline
#define KERNEL(name) kernel void name
#define KERNEL_OF_GROUP(name, x, y) kernel __attribute__((reqd_work_group_size(x, y, 1))) void name
#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE)
/* OpenCL 1.2 does not promise that groups see what others write, so nothing relies on these but the
 * tests that run CUDA's form of the kernels, on a driver that does promise it. */
#define PUBLISH() mem_fence(CLK_GLOBAL_MEM_FENCE)
#define LOAD_PUBLISHED(from) (*(volatile GLOBAL const float *)(from))
#define ATOMIC_INCREMENT(count) atomic_inc(count)

#endif

/* A `vector`: the WIDTH floats that an item computes with at a time. Several on a CPU; one on a GPU
 * (and in CUDA, which has no such vectors). */
#ifndef WIDTH
#define WIDTH 1
#endif
#if WIDTH == 1
typedef float vector;
#define LOAD_VECTOR(from) (*(from))
#define STORE_VECTOR(value, to) (*(to) = (value))
#else
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
typedef PASTE(float, WIDTH) vector;
#define LOAD_VECTOR(from) PASTE(vload, WIDTH)(0, from)
#define STORE_VECTOR(value, to) PASTE(vstore, WIDTH)(value, 0, to)
#endif
