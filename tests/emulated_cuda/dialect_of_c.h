/* The words of kernels/dialect.h for a compiler of C, so that groups.c can run a kernel's groups at
 * once. What an item does beside computing, the host does for it. */
#include "group_host.h"

struct group_host group_host;

#define GLOBAL
#define LOCAL
#define CONSTANT static const
#define SHARED_ARRAY(type, name, count)                                                            \
    static const char name##_declared = 0;                                                         \
    type *const name = group_host.shared(&name##_declared, sizeof(type[count]))
#define DEVICE static inline
#define OPAQUE(number) (void)(number)
/* GROUP_KERNEL stays as it is for who reads what the preprocessor gives, and then is void. */
#define KERNEL(name) GROUP_KERNEL name
#define KERNEL_OF_GROUP(name, x, y) GROUP_KERNEL name
#define KERNEL_OF_GROUPS(name, x, y, n) GROUP_KERNEL name
#define BARRIER() group_host.barrier()
#define WAIT_FOR_LAUNCHES()
#define LET_NEXT_BEGIN()
#define PUBLISH() group_host.publish()
#define LOAD_PUBLISHED(from) group_host.load_published(from)
#define ATOMIC_ADD(count, more) group_host.atomic_add(count, more)
#define ATOMIC_READ(count) group_host.atomic_read(count)
#define MULTIPLY_HIGH(a, b) ((uint)((ulong)(a) * (b) >> 32))

DEVICE uint get_local_id(int dimension) {
    return group_host.at->item[dimension];
}
DEVICE uint get_group_id(int dimension) {
    return group_host.at->group[dimension];
}
DEVICE uint get_num_groups(int dimension) {
    return group_host.at->groups[dimension];
}
DEVICE ulong get_global_id(int dimension) {
    return (ulong)get_group_id(dimension) * group_host.at->items[dimension] +
           get_local_id(dimension);
}

#define exp __builtin_expf
#define log __builtin_logf
#define sqrt __builtin_sqrtf
#define tanh __builtin_tanhf
