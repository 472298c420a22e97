/* What the C text of a kernel needs around it; translate.py writes what follows.
 *
 * Threads of a block are fibers, so that one runs at a time and each barrier is a switch.
 * All state is static: a library runs one kernel at a time.
 */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "arithmetic.h"

/* of what is called from everywhere, so that gcc takes half the time */
#define NOINLINE __attribute__((noinline))

typedef struct {
    uint64_t low, high;
    uint64_t writable;
} Region;

typedef struct {
    uint32_t grid[3], block[3];
    uint64_t dynamic_shared;
    const uint64_t *params;
    const Region *regions;
    uint64_t num_regions;
    uint64_t seed; /* 0: threads and blocks in order */
    uint64_t max_steps;
    uint64_t check_races;
    uint64_t num_steps; /* written: instructions that were run, by all threads */
    char error[1000];   /* written */
} Launch;

enum { FIRST_SHARED = 1024, WARP = 32, MAX_THREADS = 1024 };
enum { READY, AT_BARRIER, AT_WARP_BARRIER, DONE };

typedef struct {
    uint32_t tid[3], number;
    int state, started;
    uint32_t barrier, mask;
    int line; /* where it waits */
    ucontext_t first;
    jmp_buf context;
    char *stack, *local;
} Thread;

/* Who touched a byte of shared memory last: in which interval between barriers of the block,
 * and of the warp. */
typedef struct {
    uint32_t block_time, warp_time;
    uint16_t thread;
    uint8_t is_atomic, is_there;
} Touch;

typedef struct {
    Touch write, read, other_read;
} Shadow;

static Launch *launch;
static uint64_t hints[NUM_HINTS]; /* for each instruction, the region that it touched last */
static uint32_t block_index[3];
static Thread *threads;
static Shadow *shadows;
static char *shared_memory;
static uint64_t shared_size;
static jmp_buf scheduler;
static uint32_t block_time, warp_times[MAX_THREADS / WARP];
static uint64_t num_steps;

static void ptx_kernel(Thread *me); /* written by translate.py */

/* ---- fibers ---- */

static Thread *starting;

static void NOINLINE suspend(Thread *me) {
    if (!_setjmp(me->context)) _longjmp(scheduler, 1);
}

static void fiber(void) {
    Thread *me = starting;
    for (;;) { /* the next block begins where the last one ended */
        ptx_kernel(me);
        me->state = DONE;
        suspend(me);
    }
}

static void NOINLINE resume(Thread *thread) {
    if (_setjmp(scheduler)) return;
    if (thread->started) _longjmp(thread->context, 1);
    thread->started = 1;
    starting = thread;
    getcontext(&thread->first);
    thread->first.uc_stack.ss_sp = thread->stack;
    thread->first.uc_stack.ss_size = STACK_SIZE;
    makecontext(&thread->first, fiber, 0);
    setcontext(&thread->first);
}

static void NOINLINE __attribute__((noreturn)) fail(Thread *me, int line, const char *text,
                                                     uint64_t value) {
    int length = snprintf(launch->error, sizeof launch->error, "line %d of the PTX: ", line);
    char *rest = launch->error + length;
    length += snprintf(rest, sizeof launch->error - length, text, (unsigned long long)value);
    snprintf(launch->error + length, sizeof launch->error - length,
             " (block %u %u %u, thread %u %u %u)", block_index[0], block_index[1], block_index[2],
             me->tid[0], me->tid[1], me->tid[2]);
    _longjmp(scheduler, 1);
}

static void wait_at(Thread *me, int state, uint32_t barrier, uint32_t mask, int line) {
    me->state = state;
    me->barrier = barrier;
    me->mask = mask;
    me->line = line;
    suspend(me);
}

#define STEPS(count, line)                                          \
    do {                                                            \
        num_steps += (count);                                       \
        if (num_steps > launch->max_steps)                          \
            fail(me, line, "more than %llu instructions were run", launch->max_steps); \
    } while (0)

/* ---- memory ---- */

enum { READ, WRITE, ATOMIC };

static int races_with(const Touch *touch, const Thread *me) {
    if (!touch->is_there || touch->thread == me->number || touch->block_time != block_time) return 0;
    return touch->thread / WARP != me->number / WARP ||
           touch->warp_time == warp_times[me->number / WARP];
}

/* Two threads touched a byte, one of them wrote, and no barrier was between them. That both
 * wrote the same value is no error. */
static void check_race(Thread *me, uint64_t offset, int size, int access, const void *value,
                       int line) {
    const uint32_t warp_time = warp_times[me->number / WARP];
    const Touch touch = {block_time, warp_time, me->number, access == ATOMIC, 1};
    for (int i = 0; i < size; i++) {
        Shadow *shadow = shadows + offset + i;
        const int same = value && ((const char *)value)[i] == shared_memory[offset + i];
        if (races_with(&shadow->write, me) && !(access == ATOMIC && shadow->write.is_atomic) &&
            !same)
            fail(me, line, "a race: shared byte %llu was written since the last barrier",
                 offset + i);
        if (access == READ) {
            if (shadow->read.is_there && shadow->read.thread != me->number)
                shadow->other_read = shadow->read;
            shadow->read = touch;
            continue;
        }
        if ((races_with(&shadow->read, me) || races_with(&shadow->other_read, me)) && !same)
            fail(me, line, "a race: shared byte %llu was read since the last barrier", offset + i);
        shadow->write = touch;
    }
}

static NOINLINE char *shared_at(Thread *me, uint64_t address, int size, int access,
                              const void *value, int line) {
    const uint64_t offset = address - FIRST_SHARED;
    if (offset > shared_size || shared_size - offset < (uint64_t)size)
        fail(me, line, "shared address %llu is out of bounds", address);
    if (offset & (size - 1)) fail(me, line, "shared address %llu is not aligned", address);
    if (launch->check_races) check_race(me, offset, size, access, value, line);
    return shared_memory + offset;
}

static NOINLINE char *local_at(Thread *me, uint64_t address, int size, int line) {
    const uint64_t offset = address - (uint64_t)(uintptr_t)me->local;
    if (offset > LOCAL_SIZE || LOCAL_SIZE - offset < (uint64_t)size)
        fail(me, line, "local address %#llx is out of bounds", address);
    if (address & (size - 1)) fail(me, line, "local address %#llx is not aligned", address);
    return me->local + offset;
}

static void NOINLINE find_region(Thread *me, uint64_t address, int size,
                                                  uint64_t *hint, int line) {
    for (uint64_t i = 0; i < launch->num_regions; i++)
        if (address >= launch->regions[i].low && address + size <= launch->regions[i].high) {
            *hint = i;
            return;
        }
    for (uint64_t i = 0; i < launch->num_regions; i++)
        if (address >= launch->regions[i].low && address < launch->regions[i].high + 4096) {
            char text[200];
            snprintf(text, sizeof text,
                     "address %%#llx is out of bounds (at byte %lld of an array of %llu bytes)",
                     (long long)(address - launch->regions[i].low),
                     (unsigned long long)(launch->regions[i].high - launch->regions[i].low));
            fail(me, line, text, address);
        }
    fail(me, line, "address %#llx is out of bounds", address);
}

static NOINLINE char *global_at(Thread *me, uint64_t address, int size, int access, uint64_t *hint,
                              int line) {
    const Region *region = launch->regions + *hint;
    if (address < region->low || address + size > region->high) {
        find_region(me, address, size, hint, line);
        region = launch->regions + *hint;
    }
    if (address & (size - 1)) fail(me, line, "address %#llx is not aligned", address);
    if (access != READ && !region->writable)
        fail(me, line, "address %#llx is in read-only memory", address);
    return (char *)(uintptr_t)address;
}

#define SHARED_BASE ((uint64_t)(uintptr_t)shared_memory - FIRST_SHARED)
#define LOCAL_BASE ((uint64_t)(uintptr_t)me->local)

static NOINLINE char *generic_at(Thread *me, uint64_t address, int size, int access, const void *value,
                        uint64_t *hint, int line) {
    if (address - (uint64_t)(uintptr_t)shared_memory < shared_size)
        return shared_at(me, address - SHARED_BASE, size, access, value, line);
    if (address - LOCAL_BASE < LOCAL_SIZE) return local_at(me, address, size, line);
    return global_at(me, address, size, access, hint, line);
}

/* ---- blocks ---- */

static uint64_t random_state;

static uint64_t random_below(uint64_t count) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % count;
}

static void shuffle(uint32_t *order, uint64_t count) {
    for (uint64_t i = count; launch->seed && i > 1; i--) {
        const uint64_t j = random_below(i);
        const uint32_t other = order[j];
        order[j] = order[i - 1];
        order[i - 1] = other;
    }
}

/* Let the warps go on in which all that a barrier names wait at it. */
static int release_warps(uint32_t num_threads) {
    int num_released = 0;
    for (uint32_t first = 0; first < num_threads; first += WARP) {
        uint32_t waiting = 0, there = 0;
        for (uint32_t lane = 0; lane < WARP && first + lane < num_threads; lane++) {
            const int state = threads[first + lane].state;
            if (state != DONE) there |= 1u << lane;
            if (state == AT_WARP_BARRIER) waiting |= 1u << lane;
        }
        for (uint32_t lane = 0; lane < WARP && first + lane < num_threads; lane++) {
            const uint32_t mask = threads[first + lane].mask & there;
            if (threads[first + lane].state != AT_WARP_BARRIER || (mask & ~waiting)) continue;
            for (uint32_t other = 0; other < WARP; other++)
                if (mask >> other & 1) threads[first + other].state = READY;
            threads[first + lane].state = READY;
            waiting &= ~mask;
            warp_times[first / WARP]++;
            num_released++;
        }
    }
    return num_released;
}

/* Let the block go on if all threads wait at one barrier; those that have ended do not count. */
static int release_block(uint32_t num_threads) {
    Thread *first = NULL;
    for (uint32_t i = 0; i < num_threads; i++) {
        Thread *thread = threads + i;
        if (thread->state == DONE) continue;
        if (!first) first = thread;
        if (thread->state != AT_BARRIER || thread->barrier != first->barrier) return 0;
        /* the threads of a warp have to be at the same instruction */
        if (thread->number / WARP == first->number / WARP && thread->line != first->line) return 0;
        if (thread->number / WARP != first->number / WARP) first = thread;
    }
    for (uint32_t i = 0; i < num_threads; i++)
        if (threads[i].state == AT_BARRIER) threads[i].state = READY;
    block_time++;
    return 1;
}

static int run_block(uint32_t num_threads, uint32_t *order) {
    memset(shared_memory, 0xAB, shared_size);
    if (launch->check_races) memset(shadows, 0, shared_size * sizeof *shadows);
    for (uint32_t i = 0; i < num_threads; i++) threads[i].state = READY;
    for (;;) {
        uint32_t num_done = 0;
        shuffle(order, num_threads);
        for (uint32_t i = 0; i < num_threads; i++) {
            Thread *thread = threads + order[i];
            if (thread->state == READY) resume(thread);
            if (launch->error[0]) return 0;
            num_done += thread->state == DONE;
        }
        if (num_done == num_threads) return 1;
        if (release_warps(num_threads) || release_block(num_threads)) continue;
        for (uint32_t i = 0; i < num_threads; i++)
            if (threads[i].state != DONE) {
                if (_setjmp(scheduler)) return 0;
                fail(threads + i, threads[i].line, "this barrier is not reached by all threads", 0);
            }
    }
}

int ptx_run(Launch *request) {
    launch = request;
    num_steps = 0;
    memset(hints, 0, sizeof hints);
    random_state = request->seed;
    const uint32_t *block = request->block, *grid = request->grid;
    const uint32_t num_threads = block[0] * block[1] * block[2];
    const uint64_t num_blocks = (uint64_t)grid[0] * grid[1] * grid[2];
    shared_size = DYNAMIC_SHARED_AT + request->dynamic_shared;
    shared_memory = aligned_alloc(1024, (shared_size + 1024) / 1024 * 1024);
    shadows = request->check_races ? calloc(shared_size + 1, sizeof *shadows) : NULL;
    threads = calloc(num_threads, sizeof *threads);
    uint32_t *order = calloc(num_threads, sizeof *order);
    uint32_t *blocks = calloc(num_blocks, sizeof *blocks);
    char *stacks = malloc((STACK_SIZE + LOCAL_SIZE) * (size_t)num_threads);
    for (uint32_t i = 0; i < num_threads; i++) {
        order[i] = i;
        threads[i].number = i;
        threads[i].tid[0] = i % block[0];
        threads[i].tid[1] = i / block[0] % block[1];
        threads[i].tid[2] = i / block[0] / block[1];
        threads[i].stack = stacks + (STACK_SIZE + LOCAL_SIZE) * (size_t)i;
        threads[i].local = threads[i].stack + STACK_SIZE;
    }
    for (uint64_t i = 0; i < num_blocks; i++) blocks[i] = i;
    shuffle(blocks, num_blocks);
    int is_good = 1;
    for (uint64_t i = 0; i < num_blocks && is_good; i++) {
        block_index[0] = blocks[i] % grid[0];
        block_index[1] = blocks[i] / grid[0] % grid[1];
        block_index[2] = blocks[i] / grid[0] / grid[1];
        is_good = run_block(num_threads, order);
    }
    request->num_steps = num_steps;
    free(stacks);
    free(blocks);
    free(order);
    free(threads);
    free(shadows);
    free(shared_memory);
    return is_good;
}
