// Instructions that CUDA C has no name for, one function each; where kernels are emulated, the emulator has them.
#pragma once
#ifndef NPUQ_ON_CPU
// To the nearest number of TF32, 10 bits behind the point
__device__ __forceinline__ unsigned to_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}
// d += a b by a warp's tensor core, a 16 x 8, b 8 x 8. Lane 4 g + t has a at (g, t), (g + 8, t), (g, t + 4) and
// (g + 8, t + 4), b at (t, g) and (t + 4, g), d at (g, 2 t), (g, 2 t + 1), (g + 8, 2 t) and (g + 8, 2 t + 1).
__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif
