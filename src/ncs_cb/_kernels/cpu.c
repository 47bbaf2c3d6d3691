/* What the processor can do, and which sources this library was made of. */
#include "row.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* Whether processor and system both know AVX2. */
EXPORTED int ncs_has_avx2(void)
{
    unsigned a, b, c, d, low, high;
    const unsigned saves = 1u << 27, avx = 1u << 28, avx2 = 1u << 5, wide = 6;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & saves) || !(c & avx))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & wide) != wide)
        return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & avx2);
}
#else
EXPORTED int ncs_has_avx2(void)
{
    return 0;
}
#endif

EXPORTED const char *ncs_sources(void)
{
    return SOURCES;
}
