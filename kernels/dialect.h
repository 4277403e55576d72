/* The language of the kernels: OpenCL C 1.2 and, through the names below, CUDA C++ as well. Every
 * file of kernels includes this one first.
 *
 * A kernel takes a matrix as a buffer, and the element of the buffer at which the matrix begins. A
 * matrix is row-major and without gaps. An item is OpenCL's work-item or CUDA's thread. A group is
 * a work-group or a thread block.
 *
 * A test that compiles kernels as C has words of its own (tests/emulated_cuda/dialect_of_c.h). */

#ifdef __CUDACC__

typedef unsigned char uchar;
typedef unsigned int uint;
typedef unsigned long long ulong;
#define GLOBAL
#define LOCAL
#define CONSTANT static __constant__ const
#define SHARED_ARRAY(type, name, count) __shared__ __align__(16) type name[count]
#define DEVICE static __device__ inline
/* Makes a uint look like another one to the compiler, so that it does not keep in registers all the
 * time what it could compute of it. */
#define OPAQUE(number) asm volatile("" : "+r"(number))
#define KERNEL(name) extern "C" __global__ void name
#define KERNEL_OF_GROUP(name, x, y) extern "C" __global__ void __launch_bounds__((x) * (y)) name
#define KERNEL_OF_GROUPS(name, x, y, n)                                                            \
    extern "C" __global__ void __launch_bounds__((x) * (y), n) name
#define BARRIER() __syncthreads()
/* A launch may begin before the one before it has ended (device_options.submission, "overlapped").
 * Nothing that earlier launches write may be read or written before WAIT_FOR_LAUNCHES, by which all
 * of them have ended. LET_NEXT_BEGIN, which must come after it, lets the launch after this one
 * begin once all groups have called it. Every group calls both. */
DEVICE void WAIT_FOR_LAUNCHES() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
DEVICE void LET_NEXT_BEGIN() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
/* What a group has written before PUBLISH, another group of the same launch can read by
 * LOAD_PUBLISHED, once an atomic operation has told it that it is written; or as usual, if it calls
 * PUBLISH after that operation. */
#define PUBLISH() __threadfence()
#define LOAD_PUBLISHED(from) __ldcg(from)
#define ATOMIC_ADD(count, more) atomicAdd(count, more) /* gives the count before */
#define ATOMIC_READ(count) (*(volatile const uint *)(count))
#define MULTIPLY_HIGH(a, b) __umulhi(a, b) /* the upper 32 bits of the product of two uints */
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

#elif defined(__OPENCL_C_VERSION__)

#define GLOBAL global
#define LOCAL local
#define CONSTANT constant /* numbers that all items read, declared outside of kernels */
/* In a kernel: an array that a group shares. */
#define SHARED_ARRAY(type, name, count) local __attribute__((aligned(16))) type name[count]
#define DEVICE static inline
#define OPAQUE(number) (void)(number)
#define KERNEL(name) kernel void name
#define KERNEL_OF_GROUP(name, x, y) kernel __attribute__((reqd_work_group_size(x, y, 1))) void name
#define KERNEL_OF_GROUPS(name, x, y, n) KERNEL_OF_GROUP(name, x, y) /* drivers find their own */
#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE)
#define WAIT_FOR_LAUNCHES() /* launches are done one after another */
#define LET_NEXT_BEGIN()
/* OpenCL 1.2 does not promise that a group sees what another group has written. So only tests rely
 * on these four. They run the kernels with FUSED_REDUCTION, as CUDA does, on an OpenCL driver that
 * does promise it. */
#define PUBLISH() mem_fence(CLK_GLOBAL_MEM_FENCE)
#define LOAD_PUBLISHED(from) (*(volatile GLOBAL const float *)(from))
#define ATOMIC_ADD(count, more) atomic_add(count, more)
#define ATOMIC_READ(count) (*(volatile GLOBAL const uint *)(count))
#define MULTIPLY_HIGH(a, b) mul_hi(a, b)

#endif

/* Before a loop: to unroll it whole, or by so many. */
#define UNROLL _Pragma("unroll")
#define UNROLL_BY(n) PRAGMA_(unroll n)
#define PRAGMA_(text) _Pragma(#text)

/* A `vector` is the WIDTH floats that an item computes with at a time. On a CPU it is several
 * floats. On a GPU it is one. In CUDA, which has no such vectors, it is always one. */
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
