/* What the program says on standard error: the one place where paths, names of hardware, words of
 * the command line and what libraries report come to a terminal. */
#ifndef PROGRAM_MESSAGE_H
#define PROGRAM_MESSAGE_H

/* Prints "trainer: " and the message, in one write. What is not UTF-8 or would command the terminal
 * is shown as '?'. A message may have several lines, such as a compiler's: those after the first
 * are indented, so that no name with a newline passes for a message of ours. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void message_print(const char *format, ...);

#endif
