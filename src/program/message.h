/* What the program says on standard error. It is the one place where text from outside goes to a
 * terminal: paths, names of hardware, words of the command line, and reports of libraries. */
#ifndef PROGRAM_MESSAGE_H
#define PROGRAM_MESSAGE_H

/* Prints "trainer: " and the message, in one write. Bytes that are not UTF-8, and characters that
 * would command the terminal, are shown as '?'. A message may have several lines, such as a
 * compiler's. Lines after the first are indented, so that a name with a newline can't pass for a
 * message of ours. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void message_print(const char *format, ...);

#endif
